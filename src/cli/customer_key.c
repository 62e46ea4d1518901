/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the customer's. */

#include "cli/customer_key.h"

#include "base/codec.h"
#include "base/file.h"
#include "base/hash.h"

enum { FILE_LEN_MAX = 64 };

void cli_customer_key_wipe(struct cli_customer_key *k)
{
    tn_wipe(k, sizeof *k);
}

static int decode(struct tn_str text, unsigned char key[CLI_CUSTOMER_KEY_LEN])
{
    unsigned char bytes[FILE_LEN_MAX];
    if (text.len == CLI_CUSTOMER_KEY_LEN) {
        memcpy(key, text.data, CLI_CUSTOMER_KEY_LEN);
        return TARN_OK;
    }
    while (text.len > 0 && strchr(" \r\n", text.data[text.len - 1]))
        text.len--;
    ssize_t len = tn_base64_decode(text, bytes, sizeof bytes);
    if (len == CLI_CUSTOMER_KEY_LEN)
        memcpy(key, bytes, CLI_CUSTOMER_KEY_LEN);
    tn_wipe(bytes, sizeof bytes);
    return len == CLI_CUSTOMER_KEY_LEN ? TARN_OK : TARN_EINVAL;
}

static void fill(struct cli_customer_key *k)
{
    static const char *const names[CLI_CUSTOMER_HEADERS] = {
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-MD5",
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key-MD5",
    };
    const char *const values[] = { "AES256", k->key, k->md5 };
    for (size_t i = 0; i < CLI_CUSTOMER_HEADERS; i++)
        k->headers[i] = (struct tarn_header){ names[i], values[i % TN_COUNT(values)] };
    k->count = CLI_CUSTOMER_HEADERS / 2;
}

int cli_customer_key_read(const char *path, struct cli_customer_key *out, struct tarn_error *err)
{
    unsigned char key[CLI_CUSTOMER_KEY_LEN];
    unsigned char md5[TN_MD5_LEN];
    struct tn_hash hash;
    TN_AUTO_BUF text = TN_BUF_INIT(FILE_LEN_MAX);
    int rc = tn_file_read(path, &text, err);
    if (rc < 0)
        return rc;
    rc = decode(tn_buf_str(&text), key);
    tn_wipe(text.data, text.len);
    if (rc < 0)
        return tn_fail(err, rc, "\"%s\" is no key: 32 bytes are wanted, or their base64", path);
    if (tn_hash_init(&hash, TN_HASH_MD5) < 0)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    tn_hash_update(&hash, key, sizeof key);
    tn_hash_final(&hash, md5);
    tn_hash_release(&hash);
    tn_base64_encode(key, sizeof key, out->key);
    tn_base64_encode(md5, sizeof md5, out->md5);
    tn_wipe(key, sizeof key);
    fill(out);
    return TARN_OK;
}

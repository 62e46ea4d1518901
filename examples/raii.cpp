/* SPDX-License-Identifier: Apache-2.0 */
/* The library from C++: handles that let go by themselves: raii BUCKET PREFIX puts two objects
 * below PREFIX, lists them and deletes them. */

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <tarn/tarn.h>

template <auto release> struct Releases {
    template <typename T> void operator()(T *handle) const
    {
        release(handle);
    }
};
using Client = std::unique_ptr<tarn_client, Releases<tarn_client_free>>;
using List = std::unique_ptr<tarn_list, Releases<tarn_list_free>>;

static void check(int rc, const tarn_error &err)
{
    if (rc < 0)
        throw std::runtime_error(err.message);
}

static std::vector<std::string> keys_of(tarn_client *client, const char *bucket, const char *prefix)
{
    std::vector<std::string> keys;
    tarn_error err = {};
    tarn_list_options options = {};
    options.prefix = prefix;
    List list(tarn_list_open(client, bucket, &options, &err));
    if (!list)
        throw std::runtime_error(err.message);
    for (const tarn_list_entry *entry = nullptr;;) {
        check(tarn_list_next(list.get(), &entry, &err), err);
        if (!entry)
            return keys;
        keys.emplace_back(entry->key, entry->key_len);
    }
}

static void run(const char *bucket, const std::string &prefix)
{
    tarn_error err = {};
    Client client(tarn_client_new(nullptr, &err));
    if (!client)
        throw std::runtime_error(err.message);
    for (const char *name : { "one", "two" }) {
        std::string key = prefix + name;
        check(tarn_object_put(client.get(), bucket, key.c_str(), name, 3, nullptr, nullptr, &err),
              err);
    }
    for (const std::string &key : keys_of(client.get(), bucket, prefix.c_str())) {
        std::printf("%s\n", key.c_str());
        check(tarn_object_delete(client.get(), bucket, key.c_str(), nullptr, nullptr, &err), err);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s BUCKET PREFIX\n", argv[0]);
        return 2;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const std::exception &problem) {
        std::fprintf(stderr, "%s\n", problem.what());
        return 1;
    }
    return 0;
}

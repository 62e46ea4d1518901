// SPDX-License-Identifier: Apache-2.0
// What test_js.py asks of the AWS SDK: node client.mjs sizes|list|empty|streams BUCKET

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";

import {
    CopyObjectCommand,
    CreateBucketCommand,
    DeleteBucketCommand,
    DeleteObjectCommand,
    DeleteObjectsCommand,
    GetObjectCommand,
    HeadObjectCommand,
    PutObjectCommand,
    S3Client,
    paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const MIB = 1024 * 1024;
const s3 = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true, maxAttempts: 1 });

function bodyOf(size) {
    const body = Buffer.alloc(size);
    for (let i = 0; i < size; i++) body[i] = (i * 31 + (i >> 12)) & 255;
    return body;
}

async function read(Bucket, Key) {
    const reply = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    return Buffer.from(await reply.Body.transformToByteArray());
}

async function keysOf(Bucket) {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, EncodingType: "url" }))
        for (const entry of page.Contents ?? []) keys.push(decodeURIComponent(entry.Key.replaceAll("+", "%20")));
    return keys;
}

async function refused(name, command) {
    await assert.rejects(s3.send(command), (error) => {
        assert.equal(error.name, name);
        return true;
    });
}

async function sizes(Bucket) {
    await s3.send(new CreateBucketCommand({ Bucket }));
    for (const size of [0, 1, 5 * MIB, 64 * MIB]) {
        const body = bodyOf(size);
        const Key = `dir/a b+c%20/ü ${size}`;
        const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: body, Metadata: { size: `${size}` } }));
        assert.equal(put.ETag, `"${createHash("md5").update(body).digest("hex")}"`);
        const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
        await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource }));
        assert.ok(body.equals(await read(Bucket, "copy")));
        const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "copy" }));
        assert.deepEqual([head.ContentLength, head.Metadata], [size, { size: `${size}` }]);
        await s3.send(new DeleteObjectCommand({ Bucket, Key }));
        await s3.send(new DeleteObjectCommand({ Bucket, Key: "copy" }));
        await refused("NoSuchKey", new GetObjectCommand({ Bucket, Key }));
    }
    assert.deepEqual(await keysOf(Bucket), []);
    await s3.send(new DeleteBucketCommand({ Bucket }));
}

async function list(Bucket) {
    let expected = "";
    for await (const piece of process.stdin.setEncoding("utf8")) expected += piece;
    assert.deepEqual(await keysOf(Bucket), JSON.parse(expected));
}

async function empty(Bucket) {
    const keys = await keysOf(Bucket);
    for (let i = 0; i < keys.length; i += 1000) {
        const Objects = keys.slice(i, i + 1000).map((Key) => ({ Key }));
        const reply = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
        assert.deepEqual([reply.Deleted.length, reply.Errors], [Objects.length, undefined]);
    }
    await s3.send(new DeleteBucketCommand({ Bucket }));
}

async function streams(Bucket) {
    await s3.send(new CreateBucketCommand({ Bucket }));
    const body = bodyOf(20 * MIB + 5);
    const pieces = [];
    for (let i = 0; i < body.length; i += 100000) pieces.push(body.subarray(i, i + 100000));
    await new Upload({ client: s3, params: { Bucket, Key: "parts", Body: Readable.from(pieces) } }).done();
    assert.ok(body.equals(await read(Bucket, "parts")));
    const small = Readable.from([Buffer.from("streamed with "), Buffer.from("a trailer")]);
    await s3.send(new PutObjectCommand({ Bucket, Key: "stream", Body: small, ContentLength: 23 }));
    assert.equal((await read(Bucket, "stream")).toString(), "streamed with a trailer");
    await refused("PreconditionFailed", new PutObjectCommand({ Bucket, Key: "stream", Body: "x", IfNoneMatch: "*" }));
    await refused("NoSuchBucket", new GetObjectCommand({ Bucket: "no-such-bucket", Key: "k" }));
}

const [, , action, bucket] = process.argv;
await { sizes, list, empty, streams }[action](bucket);

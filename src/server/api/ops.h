/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of all operations, one pair per row of the table in router.c. */

#ifndef SERVER_API_OPS_H
#define SERVER_API_OPS_H

#include "server/api/request.h"

/* bucket.c */
enum tn_s3_code bucket_list_run(struct api_req *r);
enum tn_s3_code bucket_create_check(struct api_req *r);
enum tn_s3_code bucket_create_run(struct api_req *r);
enum tn_s3_code bucket_delete_run(struct api_req *r);
enum tn_s3_code bucket_head_run(struct api_req *r);
enum tn_s3_code bucket_location_run(struct api_req *r);
enum tn_s3_code bucket_versioning_run(struct api_req *r);

/* settings.c */
enum tn_s3_code setting_get_run(struct api_req *r);
enum tn_s3_code setting_put_check(struct api_req *r);
enum tn_s3_code setting_put_run(struct api_req *r);
enum tn_s3_code setting_delete_run(struct api_req *r);
enum tn_s3_code versioning_put_run(struct api_req *r);

/* bucket_policy.c */
enum tn_s3_code policy_get_run(struct api_req *r);
enum tn_s3_code policy_put_run(struct api_req *r);
enum tn_s3_code policy_status_run(struct api_req *r);

/* acl_ops.c */
enum tn_s3_code bucket_acl_get_run(struct api_req *r);
enum tn_s3_code bucket_acl_put_run(struct api_req *r);
enum tn_s3_code object_acl_get_run(struct api_req *r);
enum tn_s3_code object_acl_put_run(struct api_req *r);

/* object_tagging.c */
enum tn_s3_code object_tagging_get_run(struct api_req *r);
enum tn_s3_code object_tagging_put_run(struct api_req *r);
enum tn_s3_code object_tagging_delete_run(struct api_req *r);

/* object_lock.c */
enum tn_s3_code retention_get_run(struct api_req *r);
enum tn_s3_code retention_put_run(struct api_req *r);
enum tn_s3_code legal_hold_get_run(struct api_req *r);
enum tn_s3_code legal_hold_put_run(struct api_req *r);

/* cors.c */
enum tn_s3_code preflight_run(struct api_req *r);

/* object_attributes.c */
enum tn_s3_code attributes_check(struct api_req *r);
enum tn_s3_code attributes_run(struct api_req *r);

/* archive.c */
enum tn_s3_code restore_run(struct api_req *r);

/* version.c */
enum tn_s3_code versions_check(struct api_req *r);
enum tn_s3_code versions_run(struct api_req *r);

/* list.c */
enum tn_s3_code list_v1_check(struct api_req *r);
enum tn_s3_code list_v2_check(struct api_req *r);
enum tn_s3_code list_run(struct api_req *r);

/* object_get.c */
enum tn_s3_code object_get_check(struct api_req *r);
enum tn_s3_code object_get_run(struct api_req *r);
enum tn_s3_code object_get_wait(struct api_req *r); /* of r->object, open; on a worker */
enum tn_s3_code torrent_get_run(struct api_req *r);

/* object_put.c */
enum tn_s3_code object_put_check(struct api_req *r);
enum tn_s3_code object_put_run(struct api_req *r);

/* object_append.c */
enum tn_s3_code append_check(struct api_req *r);
enum tn_s3_code append_prepare(struct api_req *r);
enum tn_s3_code append_run(struct api_req *r);

/* object_rename.c */
enum tn_s3_code rename_check(struct api_req *r);
enum tn_s3_code rename_run(struct api_req *r);

/* object_copy.c */
enum tn_s3_code object_copy_check(struct api_req *r);
enum tn_s3_code object_copy_run(struct api_req *r);

/* object_delete.c */
enum tn_s3_code object_delete_check(struct api_req *r);
enum tn_s3_code object_delete_run(struct api_req *r);
enum tn_s3_code objects_delete_check(struct api_req *r);
enum tn_s3_code objects_delete_run(struct api_req *r);

/* upload.c */
enum tn_s3_code upload_create_check(struct api_req *r);
enum tn_s3_code upload_create_run(struct api_req *r);
enum tn_s3_code upload_abort_check(struct api_req *r);
enum tn_s3_code upload_abort_run(struct api_req *r);
enum tn_s3_code upload_list_check(struct api_req *r);
enum tn_s3_code upload_list_run(struct api_req *r);

/* upload_part.c */
enum tn_s3_code part_put_check(struct api_req *r);
enum tn_s3_code part_put_prepare(struct api_req *r);
enum tn_s3_code part_put_run(struct api_req *r);
enum tn_s3_code part_copy_check(struct api_req *r);
enum tn_s3_code part_copy_run(struct api_req *r);
enum tn_s3_code part_list_check(struct api_req *r);
enum tn_s3_code part_list_run(struct api_req *r);

/* upload_complete.c */
enum tn_s3_code upload_complete_check(struct api_req *r);
enum tn_s3_code upload_complete_run(struct api_req *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* S3's error codes: name, HTTP status, what libtarn calls it, and the usual message. */

#ifndef PROTO_S3_ERROR_H
#define PROTO_S3_ERROR_H

#include "base/str.h"

/* X(enumerator, code, HTTP status, TARN_E status, message) */
#define TN_S3_ERROR_TABLE(X)                                                                       \
    X(TN_S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED, "AccessControlListNotSupported", 400,               \
      TARN_ENOTSUPPORTED, "The bucket does not allow ACLs")                                        \
    X(TN_S3_ACCESS_FORBIDDEN, "AccessForbidden", 403, TARN_EDENIED,                                \
      "CORSResponse: This CORS request is not allowed.")                                           \
    X(TN_S3_ENCRYPTION_TYPE_MISMATCH, "EncryptionTypeMismatch", 400, TARN_EINVAL,                  \
      "The existing object was created with a different encryption type. Subsequent write "        \
      "requests must include the appropriate encryption parameters.")                              \
    X(TN_S3_IDEMPOTENCY_MISMATCH, "IdempotencyParameterMismatch", 400, TARN_EINVAL,                \
      "Parameters on this idempotent request are inconsistent with parameters used in previous "   \
      "request(s).")                                                                               \
    X(TN_S3_ILLEGAL_VERSIONING, "IllegalVersioningConfigurationException", 400, TARN_EINVAL,       \
      "The versioning configuration specified in the request is invalid.")                         \
    X(TN_S3_INVALID_BUCKET_ACL_WITH_OWNERSHIP, "InvalidBucketAclWithObjectOwnership", 400,         \
      TARN_EINVAL,                                                                                 \
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")            \
    X(TN_S3_INVALID_RETENTION_PERIOD, "InvalidRetentionPeriod", 400, TARN_EINVAL,                  \
      "The retention period must be a positive number.")                                           \
    X(TN_S3_INVALID_TARGET_BUCKET_FOR_LOGGING, "InvalidTargetBucketForLogging", 400, TARN_EINVAL,  \
      "The target bucket for logging does not exist, is not owned by you, or does not have the "   \
      "appropriate grants.")                                                                       \
    X(TN_S3_INVALID_WRITE_OFFSET, "InvalidWriteOffset", 400, TARN_EINVAL,                          \
      "The write offset value that you specified does not match the current object size.")         \
    X(TN_S3_KMS_DISABLED, "KMS.DisabledException", 400, TARN_EINVAL,                               \
      "The key that you specified is disabled.")                                                   \
    X(TN_S3_KMS_NOT_FOUND, "KMS.NotFoundException", 400, TARN_EINVAL,                              \
      "The key that you specified does not exist.")                                                \
    X(TN_S3_NO_SUCH_PUBLIC_ACCESS_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404,              \
      TARN_ENOTFOUND, "The public access block configuration was not found")                       \
    X(TN_S3_NO_SUCH_QUOTA, "NoSuchQuotaConfiguration", 404, TARN_ENOTFOUND,                        \
      "The bucket has no quota")                                                                   \
    X(TN_S3_NO_SUCH_WEBSITE_CONFIGURATION, "NoSuchWebsiteConfiguration", 404, TARN_ENOTFOUND,      \
      "The specified bucket does not have a website configuration")                                \
    X(TN_S3_OWNERSHIP_CONTROLS_NOT_FOUND, "OwnershipControlsNotFoundError", 404, TARN_ENOTFOUND,   \
      "The bucket ownership controls were not found")                                              \
    X(TN_S3_OBJECT_ALREADY_ACTIVE, "ObjectAlreadyInActiveTierError", 403, TARN_EDENIED,            \
      "This object is not in an archived tier: there is nothing to restore.")                      \
    X(TN_S3_QUOTA_EXCEEDED, "QuotaExceeded", 403, TARN_ENOSPACE,                                   \
      "The bucket has reached its quota.")                                                         \
    X(TN_S3_UNRESOLVABLE_GRANT, "UnresolvableGrantByEmailAddress", 400, TARN_EINVAL,               \
      "The email address you provided does not match any account on record.")                      \
    X(TN_S3_ACCESS_DENIED, "AccessDenied", 403, TARN_EDENIED, "Access Denied")                     \
    X(TN_S3_ACCOUNT_PROBLEM, "AccountProblem", 403, TARN_EDENIED,                                  \
      "There is a problem with your account that prevents the operation from completing.")         \
    X(TN_S3_AUTHORIZATION_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400, TARN_EDENIED,     \
      "The authorization header that you provided is not valid.")                                  \
    X(TN_S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "AuthorizationQueryParametersError", 400,        \
      TARN_EDENIED, "The authorization query parameters that you provided are not valid.")         \
    X(TN_S3_BAD_DIGEST, "BadDigest", 400, TARN_ECHECKSUM,                                          \
      "The Content-MD5 or checksum value that you specified did not match what the server "        \
      "received.")                                                                                 \
    X(TN_S3_BAD_REQUEST, "BadRequest", 400, TARN_EINVAL, "Bad Request")                            \
    X(TN_S3_BANDWIDTH_LIMIT_EXCEEDED, "BandwidthLimitExceeded", 503, TARN_ETHROTTLED,              \
      "Please reduce your request rate.")                                                          \
    X(TN_S3_BUCKET_ALREADY_EXISTS, "BucketAlreadyExists", 409, TARN_EEXISTS,                       \
      "The requested bucket name is not available. The bucket namespace is shared by all users "   \
      "of the system. Specify a different name and try again.")                                    \
    X(TN_S3_BUCKET_ALREADY_OWNED_BY_YOU, "BucketAlreadyOwnedByYou", 409, TARN_EEXISTS,             \
      "The bucket that you tried to create already exists, and you own it.")                       \
    X(TN_S3_BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, TARN_ENOTEMPTY,                               \
      "The bucket that you tried to delete is not empty.")                                         \
    X(TN_S3_CONDITIONAL_REQUEST_CONFLICT, "ConditionalRequestConflict", 409, TARN_ECONFLICT,       \
      "A conflicting conditional operation is currently in progress against this resource. "       \
      "Please try again.")                                                                         \
    X(TN_S3_CREDENTIALS_NOT_SUPPORTED, "CredentialsNotSupported", 400, TARN_EDENIED,               \
      "This request does not support credentials.")                                                \
    X(TN_S3_ENTITY_TOO_LARGE, "EntityTooLarge", 400, TARN_ETOOBIG,                                 \
      "Your proposed upload exceeds the maximum allowed object size.")                             \
    X(TN_S3_ENTITY_TOO_SMALL, "EntityTooSmall", 400, TARN_EINVAL,                                  \
      "Your proposed upload is smaller than the minimum allowed object size.")                     \
    X(TN_S3_EXPECTATION_FAILED, "ExpectationFailed", 417, TARN_ENOTSUPPORTED,                      \
      "The expectation given in the Expect header cannot be met.")                                 \
    X(TN_S3_EXPIRED_TOKEN, "ExpiredToken", 400, TARN_EDENIED, "The provided token has expired.")   \
    X(TN_S3_ILLEGAL_LOCATION_CONSTRAINT, "IllegalLocationConstraintException", 400, TARN_EINVAL,   \
      "The location constraint is incompatible with the region of the endpoint that this "         \
      "request was sent to.")                                                                      \
    X(TN_S3_INCOMPLETE_BODY, "IncompleteBody", 400, TARN_EPROTOCOL,                                \
      "You did not provide the number of bytes specified by the Content-Length HTTP header.")      \
    X(TN_S3_INSUFFICIENT_STORAGE, "InsufficientStorage", 507, TARN_ENOSPACE,                       \
      "The server has no room left for this request. Delete objects or add storage.")              \
    X(TN_S3_INTERNAL_ERROR, "InternalError", 500, TARN_ESERVER,                                    \
      "An internal error occurred. Try again.")                                                    \
    X(TN_S3_INVALID_ACCESS_KEY_ID, "InvalidAccessKeyId", 403, TARN_EDENIED,                        \
      "The access key ID that you provided does not exist in our records.")                        \
    X(TN_S3_INVALID_ARGUMENT, "InvalidArgument", 400, TARN_EINVAL, "Invalid Argument")             \
    X(TN_S3_INVALID_BUCKET_NAME, "InvalidBucketName", 400, TARN_EINVAL,                            \
      "The specified bucket is not valid.")                                                        \
    X(TN_S3_INVALID_BUCKET_STATE, "InvalidBucketState", 409, TARN_ECONFLICT,                       \
      "The request is not valid for the current state of the bucket.")                             \
    X(TN_S3_INVALID_DIGEST, "InvalidDigest", 400, TARN_EINVAL,                                     \
      "The Content-MD5 or checksum value that you specified is not valid.")                        \
    X(TN_S3_INVALID_ENCRYPTION_ALGORITHM, "InvalidEncryptionAlgorithmError", 400, TARN_EINVAL,     \
      "The encryption request that you specified is not valid.")                                   \
    X(TN_S3_INVALID_LOCATION_CONSTRAINT, "InvalidLocationConstraint", 400, TARN_EINVAL,            \
      "The specified location constraint is not valid.")                                           \
    X(TN_S3_INVALID_OBJECT_STATE, "InvalidObjectState", 403, TARN_EDENIED,                         \
      "The operation is not valid for the object's storage class.")                                \
    X(TN_S3_INVALID_PART, "InvalidPart", 400, TARN_EINVAL,                                         \
      "One or more of the specified parts could not be found. The part may not have been "         \
      "uploaded, or the specified entity tag may not match the part's entity tag.")                \
    X(TN_S3_INVALID_PART_NUMBER, "InvalidPartNumber", 416, TARN_ERANGE,                            \
      "The requested partnumber is not satisfiable")                                               \
    X(TN_S3_INVALID_PART_ORDER, "InvalidPartOrder", 400, TARN_EINVAL,                              \
      "The list of parts was not in ascending order. Parts must be ordered by part number.")       \
    X(TN_S3_INVALID_POLICY_DOCUMENT, "InvalidPolicyDocument", 400, TARN_EINVAL,                    \
      "The content of the form does not meet the conditions specified in the policy document.")    \
    X(TN_S3_INVALID_RANGE, "InvalidRange", 416, TARN_ERANGE,                                       \
      "The requested range is not satisfiable")                                                    \
    X(TN_S3_INVALID_REQUEST, "InvalidRequest", 400, TARN_EINVAL, "Invalid Request")                \
    X(TN_S3_INVALID_SECURITY, "InvalidSecurity", 403, TARN_EDENIED,                                \
      "The provided security credentials are not valid.")                                          \
    X(TN_S3_INVALID_STORAGE_CLASS, "InvalidStorageClass", 400, TARN_EINVAL,                        \
      "The storage class you specified is not valid.")                                             \
    X(TN_S3_INVALID_TAG, "InvalidTag", 400, TARN_EINVAL, "The tag provided was not a valid tag.")  \
    X(TN_S3_INVALID_TOKEN, "InvalidToken", 400, TARN_EDENIED,                                      \
      "The provided token is malformed or otherwise not valid.")                                   \
    X(TN_S3_INVALID_URI, "InvalidURI", 400, TARN_EINVAL, "Couldn't parse the specified URI.")      \
    X(TN_S3_KEY_TOO_LONG, "KeyTooLongError", 400, TARN_ETOOBIG, "Your key is too long")            \
    X(TN_S3_MALFORMED_ACL, "MalformedACLError", 400, TARN_EINVAL,                                  \
      "The ACL that you provided was not well formed or did not validate against our published "   \
      "schema.")                                                                                   \
    X(TN_S3_MALFORMED_POLICY, "MalformedPolicy", 400, TARN_EINVAL,                                 \
      "The policy is not in the valid JSON format.")                                               \
    X(TN_S3_MALFORMED_POST_REQUEST, "MalformedPOSTRequest", 400, TARN_EINVAL,                      \
      "The body of your POST request is not well-formed multipart/form-data.")                     \
    X(TN_S3_MALFORMED_TRAILER, "MalformedTrailerError", 400, TARN_EINVAL,                          \
      "The request contained trailing data that was not well-formed or did not conform to our "    \
      "published schema.")                                                                         \
    X(TN_S3_MALFORMED_XML, "MalformedXML", 400, TARN_EINVAL,                                       \
      "The XML you provided was not well-formed or did not validate against our published "        \
      "schema")                                                                                    \
    X(TN_S3_MAX_POST_PRE_DATA_LENGTH_EXCEEDED, "MaxPostPreDataLengthExceededError", 400,           \
      TARN_ETOOBIG,                                                                                \
      "Your POST request fields preceding the upload file were too large.")                        \
    X(TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED, "MaxMessageLengthExceeded", 400, TARN_ETOOBIG,            \
      "Your request was too large.")                                                               \
    X(TN_S3_METADATA_TOO_LARGE, "MetadataTooLarge", 400, TARN_ETOOBIG,                             \
      "Your metadata headers exceed the maximum allowed metadata size.")                           \
    X(TN_S3_METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, TARN_ENOTSUPPORTED,                       \
      "The specified method is not allowed against this resource.")                                \
    X(TN_S3_MISSING_CONTENT_LENGTH, "MissingContentLength", 411, TARN_EINVAL,                      \
      "You must provide the Content-Length HTTP header.")                                          \
    X(TN_S3_MISSING_REQUEST_BODY, "MissingRequestBodyError", 400, TARN_EINVAL,                     \
      "Request Body is empty")                                                                     \
    X(TN_S3_MISSING_SECURITY_HEADER, "MissingSecurityHeader", 400, TARN_EDENIED,                   \
      "Your request was missing a required header")                                                \
    X(TN_S3_NO_SUCH_BUCKET, "NoSuchBucket", 404, TARN_ENOBUCKET,                                   \
      "The specified bucket does not exist")                                                       \
    X(TN_S3_NO_SUCH_BUCKET_POLICY, "NoSuchBucketPolicy", 404, TARN_ENOTFOUND,                      \
      "The bucket policy does not exist")                                                          \
    X(TN_S3_NO_SUCH_CORS_CONFIGURATION, "NoSuchCORSConfiguration", 404, TARN_ENOTFOUND,            \
      "The CORS configuration does not exist")                                                     \
    X(TN_S3_NO_SUCH_KEY, "NoSuchKey", 404, TARN_ENOTFOUND, "The specified key does not exist.")    \
    X(TN_S3_NO_SUCH_LIFECYCLE_CONFIGURATION, "NoSuchLifecycleConfiguration", 404, TARN_ENOTFOUND,  \
      "The lifecycle configuration does not exist")                                                \
    X(TN_S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION, "NoSuchObjectLockConfiguration", 404,               \
      TARN_ENOTFOUND, "The specified object does not have an object lock configuration.")          \
    X(TN_S3_NO_SUCH_TAG_SET, "NoSuchTagSet", 404, TARN_ENOTFOUND, "The TagSet does not exist")     \
    X(TN_S3_NO_SUCH_UPLOAD, "NoSuchUpload", 404, TARN_ENOTFOUND,                                   \
      "The specified multipart upload does not exist. The upload ID may be invalid, or the "       \
      "upload may have been aborted or completed.")                                                \
    X(TN_S3_NO_SUCH_VERSION, "NoSuchVersion", 404, TARN_ENOTFOUND,                                 \
      "The specified version does not exist.")                                                     \
    X(TN_S3_NOT_IMPLEMENTED, "NotImplemented", 501, TARN_ENOTSUPPORTED,                            \
      "A header or parameter you provided implies functionality that is not implemented")          \
    X(TN_S3_NOT_MODIFIED, "NotModified", 304, TARN_ENOTMODIFIED, "Not Modified")                   \
    X(TN_S3_OBJECT_LOCK_CONFIGURATION_NOT_FOUND, "ObjectLockConfigurationNotFoundError", 404,      \
      TARN_ENOTFOUND, "Object Lock configuration does not exist for this bucket")                  \
    X(TN_S3_OPERATION_ABORTED, "OperationAborted", 409, TARN_ECONFLICT,                            \
      "A conflicting conditional operation is currently in progress against this resource. Try "   \
      "again.")                                                                                    \
    X(TN_S3_PERMANENT_REDIRECT, "PermanentRedirect", 301, TARN_EPROTOCOL,                          \
      "The bucket you are attempting to access must be addressed using the specified endpoint.")   \
    X(TN_S3_PRECONDITION_FAILED, "PreconditionFailed", 412, TARN_EPRECOND,                         \
      "At least one of the pre-conditions you specified did not hold")                             \
    X(TN_S3_REDIRECT, "TemporaryRedirect", 307, TARN_EPROTOCOL,                                    \
      "Please re-send this request to the specified temporary endpoint.")                          \
    X(TN_S3_REQUEST_HEADER_SECTION_TOO_LARGE, "RequestHeaderSectionTooLarge", 400, TARN_ETOOBIG,   \
      "The request header and query parameters used to make the request exceed the maximum "       \
      "allowed size.")                                                                             \
    X(TN_S3_REQUEST_LIMIT_EXCEEDED, "RequestLimitExceeded", 503, TARN_ETHROTTLED,                  \
      "Please reduce your request rate.")                                                          \
    X(TN_S3_REQUEST_TIME_TOO_SKEWED, "RequestTimeTooSkewed", 403, TARN_EDENIED,                    \
      "The difference between the request time and the server's time is too large.")               \
    X(TN_S3_REQUEST_TIMEOUT, "RequestTimeout", 400, TARN_ETIMEOUT,                                 \
      "Your socket connection to the server was not read from or written to within the timeout "   \
      "period.")                                                                                   \
    X(TN_S3_REQUEST_EXPIRED, "ExpiredRequest", 403, TARN_EDENIED, "Request has expired")           \
    X(TN_S3_SERVER_SIDE_ENCRYPTION_NOT_FOUND, "ServerSideEncryptionConfigurationNotFoundError",    \
      404, TARN_ENOTFOUND, "The server side encryption configuration was not found")               \
    X(TN_S3_SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, TARN_ETHROTTLED,                       \
      "Service is unable to handle request. Reduce your request rate.")                            \
    X(TN_S3_SIGNATURE_DOES_NOT_MATCH, "SignatureDoesNotMatch", 403, TARN_EDENIED,                  \
      "The request signature that the server calculated does not match the signature that you "    \
      "provided. Check your secret access key and signing method.")                                \
    X(TN_S3_SLOW_DOWN, "SlowDown", 503, TARN_ETHROTTLED, "Please reduce your request rate.")       \
    X(TN_S3_THROTTLING, "Throttling", 400, TARN_ETHROTTLED, "Rate exceeded")                       \
    X(TN_S3_TOO_MANY_BUCKETS, "TooManyBuckets", 400, TARN_EINVAL,                                  \
      "You have attempted to create more buckets than are allowed for an account.")                \
    X(TN_S3_TOO_MANY_PARTS, "TooManyParts", 400, TARN_EINVAL,                                      \
      "You have attempted to use more parts than an upload may have.")                             \
    X(TN_S3_TOO_MANY_REQUESTS, "TooManyRequests", 429, TARN_ETHROTTLED,                            \
      "Please reduce your request rate.")                                                          \
    X(TN_S3_UNEXPECTED_CONTENT, "UnexpectedContent", 400, TARN_EINVAL,                             \
      "This request contains unsupported content.")                                                \
    X(TN_S3_URI_TOO_LONG, "URITooLong", 414, TARN_ETOOBIG, "The request target is too long.")      \
    X(TN_S3_USER_KEY_MUST_BE_SPECIFIED, "UserKeyMustBeSpecified", 400, TARN_EINVAL,                \
      "The bucket POST request must contain the specified field name. If it is specified, check "  \
      "the order of the fields.")                                                                  \
    X(TN_S3_X_AMZ_CONTENT_CHECKSUM_MISMATCH, "XAmzContentChecksumMismatch", 400, TARN_ECHECKSUM,   \
      "The provided 'x-amz-checksum' header does not match what was computed.")                    \
    X(TN_S3_X_AMZ_CONTENT_SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400, TARN_ECHECKSUM,       \
      "The provided 'x-amz-content-sha256' header does not match what was computed.")

enum tn_s3_code {
    TN_S3_OK, /* no error */
#define X(name, code, http_status, status, message) name,
    TN_S3_ERROR_TABLE(X)
#undef X
        TN_S3_CODE_COUNT
};

struct tn_s3_error {
    const char *code; /* "NoSuchKey" */
    const char *message;
    int http_status;
    int status; /* TARN_E..., for clients */
};

/* Never NULL; TN_S3_OK and numbers outside the table give InternalError's entry. Static, any
 * thread. */
const struct tn_s3_error *tn_s3_error(enum tn_s3_code code);

/* The code of that text (case-sensitive); TN_S3_OK when it is not in the table. */
enum tn_s3_code tn_s3_code_find(struct tn_str code);

/* What an answer means to a client: by its code where that is known, else by its HTTP status (HEAD
 * answers have no body). TARN_OK below 300, never TARN_OK for what is not. */
int tn_s3_status(struct tn_str code, int http_status);

#endif

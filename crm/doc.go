// Package crm is the client of a Salesforce org: tokens, queries for users,
// describe, limits and the version probe, over the REST API.
//
// A read is complete or it is an error. Rows stream, so memory does not grow
// with the org. Every call passes one chain of http.RoundTrippers (retry, token,
// quota, concurrency and rate, metrics), so no caller can forget one of them.
//
// The package knows Salesforce and nothing else: no dialer, no rule, no
// database, no schedule and no configuration file.
package crm

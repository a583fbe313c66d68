// Package events follows what changes in a Salesforce org as it happens, through
// the Pub/Sub API: it keeps one stream for one topic alive, with exact flow
// control, and hands out which users changed and in which fields. It says when to
// look and at whom, and never what to write: it must not know what a change means,
// who is concerned, or where a position is kept.
package events

// Package sync is the engine: it replicates Salesforce users into the mirror,
// decides what that means for the dialer's users, guards against mass
// destruction, and applies the difference. It is the only room that knows both
// Salesforce and the dialer. It contains no HTTP, no SQL and no YAML.
package sync

// Package control is the daemon's face to people and scripts: the control API
// over HTTP, who may call what, and the Go client that rosterctl is built on.
// It decides nothing about users: it asks an Engine and a Directory, both
// declared here, and turns their answers into JSON and their errors into
// problems with a hint. It knows nothing of Salesforce's API, of SQL or of how
// either is configured.
package control

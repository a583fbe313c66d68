// Package web is the console: the pages on which administrators and support
// manage a dialer's users. It is a client of the control API in the same
// process, with the token of whoever is logged in: roles, validation and the
// audit trail are the API's, and a page can do nothing that a script could not.
// Every page works without JavaScript. It must not know the directory, the sync
// engine or the database.
package web

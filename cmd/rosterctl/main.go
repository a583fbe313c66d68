// Command rosterctl is the operator's tool: it asks a running rosterd, over
// its control API, to sync, to explain and to show. It holds no logic of its
// own and touches neither the database nor Salesforce.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

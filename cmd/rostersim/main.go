// Command rostersim serves a simulated Salesforce org on a loopback address, for demonstrations and for tests from
// outside. It prints one line of JSON with its address when it is ready, and stops on SIGINT or SIGTERM.
//
// Under /sim/ of that address the org is driven: its people and what happens to them, the churn, everything that can go
// wrong. GET /sim/ lists what there is. All of it is JSON, and anybody who reaches the address may use it.
//
// It must know nothing of the daemon that it is used to try.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rostersim:", err)
		os.Exit(1)
	}
}

// Command pxe-pilot shows and switches what network-booting machines boot.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot/internal/app"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := app.Run(ctx, version, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

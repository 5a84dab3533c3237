// Package app is the one place that sees every room of the program and wires
// them: the configuration file to a site, the site to the use cases, the use
// cases to HTTP, and what runs on this machine to the command line. It starts the
// long-running tasks and stops them.
package app

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// Run is the whole program: it runs one command line, without the program's
// name, and returns its exit status.
func Run(ctx context.Context, version string, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	streams := cli.IO{Stdin: stdin, Stdout: stdout, Stderr: stderr, Env: env, StdoutTTY: isTerminal(stdout), StderrTTY: isTerminal(stderr)}
	return cli.Run(ctx, args, streams, version, cli.Local{
		Server: func(ctx context.Context, o cli.ServerOptions) error {
			return (&Server{Config: o.Config, State: stateDirectory(env), Env: env, Log: newLogger(o.Stderr, o.Debug)}).Run(ctx)
		},
		Check: check,
		Backup: func(ctx context.Context, o cli.BackupOptions) (*cli.Backup, error) {
			return backup(ctx, o, stateDirectory(env))
		},
		Demo: demo,
	})
}

// stateDirectory is where what outlives the server is kept: where systemd says
// (StateDirectory= in systemd.exec(5)), or where it would.
func stateDirectory(env func(string) string) string {
	first, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":")
	return cmp.Or(first, "/var/lib/pxe-pilot")
}

// isTerminal says whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

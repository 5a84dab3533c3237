// Package cli is the command line: one file per command. A command asks the
// server through the client package, or calls one of the functions of Local, and
// makes a result; output.go prints it in the form that was asked for, and
// errors.go turns what went wrong into lines and an exit status. Results go to
// stdout, everything else to stderr, and nothing that a server or a file says
// reaches a terminal unescaped.
package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"

	"github.com/spf13/cobra"
)

// Local is what runs on this machine. app, which alone sees those rooms, wires
// it.
type Local struct {
	Server func(context.Context, ServerOptions) error
	Check  func(context.Context, CheckOptions) ([]Finding, error)
	Backup func(context.Context, BackupOptions) (*Backup, error)
	Demo   func(context.Context, DemoOptions) error
}

// ServerOptions are those of "pxe-pilot server".
type ServerOptions struct {
	Config string // path of the configuration file
	Debug  bool   // log more
	Stderr io.Writer
}

// CheckOptions are those of "pxe-pilot check".
type CheckOptions struct {
	Config string // path of the configuration file
	Verify bool   // ask the TFTP servers as well
}

// BackupOptions are those of "pxe-pilot backup".
type BackupOptions struct {
	Config string // path of the configuration file
	File   string // path of the copy
}

// A Backup is a copy of the journal.
type Backup struct {
	File      string `json:"file"`
	Directory string `json:"directory"` // that the journal is in
}

// DemoOptions are those of "pxe-pilot demo".
type DemoOptions struct {
	Port           int // 0 means any free one
	Debug          bool
	Stdout, Stderr io.Writer
}

// A Finding is one thing that "pxe-pilot check" found.
type Finding struct {
	Severity Severity `json:"severity"`
	Where    string   `json:"where"` // file:line:column, a path, or the address of a TFTP server
	Message  string   `json:"message"`
}

// Severity says whether the server can live with a finding.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the server would not start, or machines would not get what they should
	Warning Severity = "warning" // it works, but is not as it should be
)

// IO is how a run of the program meets its surroundings.
type IO struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            func(string) string // like os.Getenv
	StdoutTTY      bool                // a person looks at Stdout
	StderrTTY      bool                // a person looks at Stderr
	HTTP           *http.Client        // asks the server; nil for the default one of the client package
}

// The exit statuses.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitNotFound
	exitConflict
	exitUnreachable
	exitNotAllowed
)

// A program is one run.
type program struct {
	IO
	out     *output
	version string
	local   Local
	server  string // --server
	debug   bool   // --debug
}

// Run runs the program with args, which do not begin with its name, and returns
// its exit status.
func Run(ctx context.Context, args []string, streams IO, version string, local Local) int {
	p := &program{IO: streams, out: &output{to: streams.Stdout}, version: version, local: local}
	root := p.root()
	root.SetArgs(append([]string{}, args...)) // never nil, for which cobra takes os.Args
	cmd, err := root.ExecuteContextC(ctx)
	if p.out.err == nil {
		return p.report(ctx, cmd, err)
	}
	if errors.Is(err, p.out.err) {
		err = nil // told below, once
	}
	status := p.report(ctx, cmd, err)
	if !errors.Is(p.out.err, syscall.EPIPE) {
		p.say("error", "cannot write the output: "+p.out.err.Error())
		status = max(status, exitFailed)
	}
	return status
}

// root makes the tree of commands.
func (p *program) root() *cobra.Command {
	root := p.group("pxe-pilot", "PXE Pilot shows and switches what network-booting machines boot.",
		p.config(), p.host(), p.bootloader(), p.discover(), p.history(), p.undo(),
		p.serverCommand(), p.check(), p.backup(), p.demo(),
		p.completion())
	root.SetHelpCommand(p.help())
	root.Example = `  pxe-pilot host list                           what does every machine boot next?
  pxe-pilot config deploy ubuntu-16.04 h2 h3    make h2 and h3 boot ubuntu-16.04`
	root.Version = p.version
	root.CompletionOptions.DisableDefaultCmd = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(p.Stdin)
	root.SetOut(p.out)
	root.SetErr(p.Stderr)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { _, _ = io.WriteString(p.out, helpText(cmd)) })
	root.SetFlagErrorFunc(flagError)
	for i, title := range groups {
		root.AddGroup(&cobra.Group{ID: groupID(i), Title: title})
	}

	root.Flags().Bool("version", false, "Show the version")
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&p.server, "server", "s", defaultServer, "Server URL for PXE Pilot client (or $"+serverVariable+")")
	flags.BoolVarP(&p.debug, "debug", "d", false, "Show client logs on stderr")
	flags.BoolP("help", "h", false, "Show this help")
	return root
}

// group is a command that does nothing but hold others.
func (p *program) group(name, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			_, _ = io.WriteString(p.Stderr, helpText(cmd)+"\n")
			p.say("error", "a command is missing")
			return silentError(exitUsage)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	g.AddCommand(commands...)
	return g
}

// The groups of the commands in the help of the whole program.
var groups = [...]string{"Commands:", "Commands for the machine that holds the TFTP root:", "Other commands:"}

const (
	askGroup = iota
	localGroup
	otherGroup
)

func groupID(i int) string { return groups[i] }

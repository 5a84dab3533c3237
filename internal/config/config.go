// Package config reads the configuration file: YAML in, a checked Config out,
// or everything that is wrong with it at once, each with its line and column.
//
// It is strict: a key that it does not know is an error, because a key that is
// silently ignored is a machine that silently boots something else. It reads
// what was typed, not what YAML takes it for: the text of "012", "yes" or
// "00:00:00:00:00:01" stays as it is.
//
// source.go reads files, compose.go makes nodes of them, node.go makes Go values
// of nodes; site.go, host.go and the files named after their sections are the
// schema; check.go and power.go compare what only shows once everything was read.
package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Default is the path of the configuration file unless told otherwise.
const Default = "/etc/pxe-pilot/pxe-pilot.yml"

// Config is what the configuration file says.
type Config struct {
	Path           string           // of the file, as given to Load
	Files          []string         // every file that was read, Path first
	HostsDirectory string           // where further hosts are; empty when not told
	Hosts          []*pxepilot.Host // in the order of Files, then of the lines
	Adapters       []pxepilot.Adapter
	TFTP           TFTP
	Configuration  Configuration
	Deploy         Deploy
	Server         Server
	State          State
	Warnings       []Problem // what is allowed but hardly meant
}

// TFTP is the section of that name.
type TFTP struct {
	Root          string   // absolute, as the file system here sees it
	AbsoluteLinks bool     // make links with absolute targets
	Addresses     []string // host:port of each TFTP server that machines boot from
}

// Deploy is the section of that name.
type Deploy struct {
	Verify      bool   // see what the TFTP servers give after each deploy
	AfterSwitch string // command to run after each change of links; empty for none
}

// Configuration is the section of that name.
type Configuration struct {
	Directory   string                   // absolute
	Bootloaders []pxepilot.Bootloader    // as declared; empty when none are
	Settings    map[string]pxepilot.Rule // by configuration
}

// Server is the section of that name.
type Server struct {
	Port         int      // TCP; 0 lets the system choose
	Address      string   // to listen on; empty means all
	AllowedHosts []string // further names that requests may be addressed to
	Boot         bool     // serve machines what they boot
	TLS          *TLS     // nil for plain HTTP
}

// State is the section of that name, at the top level or under server.
type State struct {
	Directory string        // of what outlives the server, absolute; empty when not told
	Required  bool          // what cannot be written to the journal is not done
	Keep      time.Duration // entries of the journal
	MaxSize   int64         // of the journal, in bytes
}

// TLS holds the paths of two PEM files.
type TLS struct {
	Certificate string
	Key         string
}

// A Problem is one thing that is wrong with a file.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 where the file as a whole is meant
	Message      string
}

func (p Problem) String() string { return p.Where() + ": " + p.Message }

// Where is the place of the problem, as file:line:column.
func (p Problem) Where() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Errors is everything that is wrong, by file, line and column.
type Errors []Problem

// Error prints one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// mostProblems bounds what is kept and printed. Nobody reads more, and a file
// of the wrong kind has one on every line.
const mostProblems = 1000

// Load reads and checks the file at path and, where it names one, the files of
// its hosts directory. Relative paths in any of them are relative to the
// directory of path.
//
// The error is of type Errors. With it comes a Config that holds only what is
// needed to notice that the files were mended, Path, Files and HostsDirectory,
// and the Warnings about what could be read.
func Load(path string, options ...Option) (*Config, error) {
	return load(path, pieceSize, options...)
}

// An Option is more that Load is told.
type Option func(*reader)

func load(path string, piece int, options ...Option) (*Config, error) {
	r := &reader{
		config: &Config{
			Path: path, Server: Server{Port: 3478, Boot: true},
			State: State{Required: true, Keep: defaultKeep, MaxSize: defaultMaxSize},
		},
		piece: piece,
	}
	for _, o := range options {
		o(r)
	}
	site := r.site()
	if r.read(path, site) {
		r.directory()
		r.check(site)
	}
	c := r.config
	c.Warnings = r.inOrder(r.warnings)
	if len(r.problems) == 0 {
		return c, nil
	}
	return &Config{Path: path, Files: c.Files, HostsDirectory: c.HostsDirectory, Warnings: c.Warnings}, r.errors()
}

// errors returns the problems in order, and says how many it leaves out.
func (r *reader) errors() Errors {
	all := r.inOrder(r.problems)
	if more := len(all) + r.untold - mostProblems; more > 0 {
		all = append(all[:mostProblems:mostProblems], Problem{
			File:    r.config.Path,
			Message: fmt.Sprintf("and %d more like these; mend those above first", more),
		})
	}
	return all
}

// inOrder turns findings into problems by file, line and column, each once: what
// an alias leads to is read more than once.
func (r *reader) inOrder(found []finding) []Problem {
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(a.at.compare(b.at), cmp.Compare(a.message, b.message))
	})
	var problems []Problem
	for i, f := range found {
		if i > 0 && f == found[i-1] {
			continue
		}
		problems = append(problems, Problem{r.config.Files[f.at.file], int(f.at.line), int(f.at.column), f.message})
	}
	return problems
}

// beside makes a path of the file absolute where the working directory is not
// meant: beside the configuration file.
func (r *reader) beside(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(r.config.Path), path)
}

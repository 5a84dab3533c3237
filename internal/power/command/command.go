// Package command drives machines by commands of the user's own: power strips,
// virtual machines, and whatever else has a program but no BMC.
//
// How its pieces meet: internal/program splits a command line as a shell would,
// and refuses what only a shell could do, for none ever runs; template.go compiles
// each word, variable of the environment and text for the standard input, and
// expands them at each call; internal/program runs what comes of it within bounds
// of time and size; mask.go hides secrets in what is shown of its output; check.go
// tells what is wrong with an adapter before it is used.
package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/program"
)

// An Adapter says which commands drive a kind of machine.
type Adapter struct {
	Name string
	// Vars are the variables that its commands know, besides ip_address. Any of
	// them may hold a password, and so all are secrets.
	Vars map[string]pxepilot.Secret

	Status Command
	// Regular expressions in which ^ and $ are the ends of a line, as for grep:
	// hardly a program leaves its last line open.
	PatternOn  string // matches the output of Status if the machine is on
	PatternOff string // matches it if the machine is off
	On         Command
	Off        Command
	Reset      Command
}

// A Command is one program to run. All its texts are Go templates.
type Command struct {
	Cmd   string            // words as a shell splits them; empty where the adapter has no way
	Env   map[string]string // besides PATH and LANG, the only others that it gets
	Stdin string
}

// Options say which machine an adapter drives.
type Options struct {
	Name    string                                // the host's, for messages
	Adapter Adapter                               //
	Vars    map[string]pxepilot.Secret            // the host's own; they win over the adapter's
	Address func(context.Context) (string, error) // ip_address; nil where the host has none
}

// A Controller drives one machine. It is safe for concurrent use.
type Controller struct {
	name    string
	adapter *compiled
	vars    map[string]pxepilot.Secret
	address func(context.Context) (string, error)
}

// addressVar is the variable that holds the address of the host's management.
const addressVar = "ip_address"

// New compiles the adapter for a host. It runs nothing.
func New(o Options) (*Controller, error) {
	adapter, problems := compile(o.Adapter)
	c := &Controller{name: o.Name, adapter: adapter, vars: map[string]pxepilot.Secret{}, address: o.Address}
	for _, vars := range []map[string]pxepilot.Secret{o.Adapter.Vars, o.Vars} {
		for name, value := range vars {
			c.vars[name] = value
		}
	}
	problems = append(problems, adapter.unknown(c.vars, o.Address != nil)...)
	for _, p := range problems {
		if !p.Warning {
			return nil, pxepilot.Errorf(pxepilot.Invalid, "host %s: adapter %s: %s", o.Name, pxepilot.Quote(o.Adapter.Name), p)
		}
	}
	return c, nil
}

// State runs power_status and looks for its patterns.
func (c *Controller) State(ctx context.Context) (pxepilot.PowerState, error) {
	var b behind
	out, err := c.run(ctx, c.adapter.status, &b)
	if err != nil {
		return pxepilot.PowerUnknown, c.explain(&b, err)
	}
	text := strings.ReplaceAll(out.String(), "\r\n", "\n")
	on, off := c.adapter.on.MatchString(text), c.adapter.off.MatchString(text)
	switch {
	case on == off:
		which := "neither pattern_on nor pattern_off matches"
		if on {
			which = "both pattern_on and pattern_off match"
		}
		whole := "its output"
		if out.Cut {
			whole = fmt.Sprintf("the first %d KiB of its output, which is longer; have it print less:", program.MostOutput>>10)
		}
		return pxepilot.PowerUnknown, c.explain(&b, fmt.Errorf("power_status: %s %s %s", which, whole, b.masks.excerpt(out.String())))
	case on:
		return pxepilot.PowerOn, nil
	}
	return pxepilot.PowerOff, nil
}

// Do runs the command of that action. Neither is a cycle made of off and on, nor
// a soft one of a hard one: whoever wants them so writes a command that does it.
func (c *Controller) Do(ctx context.Context, a pxepilot.PowerAction) error {
	cmd, ok := c.adapter.actions[a]
	if !ok {
		return c.explain(nil, unsupportedError("adapters have no command for "+pxepilot.Quote(string(a))))
	}
	var b behind
	_, err := c.run(ctx, cmd, &b)
	return c.explain(&b, err)
}

// BootNext is beyond any adapter.
func (c *Controller) BootNext(context.Context, pxepilot.BootDevice, pxepilot.Firmware) error {
	return c.explain(nil, unsupportedError("adapters cannot set what a machine boots next; set its firmware to boot from the network first"))
}

// Close has nothing to close: each command ends by itself, or is ended.
func (c *Controller) Close() error { return nil }

// behind is what became known on the way to an error.
type behind struct {
	address string
	masks   masks
}

// run expands and runs one command, and returns what it printed.
func (c *Controller) run(ctx context.Context, cmd *command, b *behind) (*program.Output, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s was not run: %w", cmd.name, err)
	}
	if len(cmd.words) == 0 {
		return nil, unsupportedError("has no " + cmd.name + "; add it to the adapter, or do without")
	}
	vars := make(map[string]string, len(c.vars)+1)
	for name, value := range c.vars {
		vars[name] = value.Reveal()
	}
	if c.address != nil {
		address, err := c.address(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s was not run: %w", cmd.name, err)
		}
		b.address, vars[addressVar] = address, address
	}
	b.masks = masks{}
	cmd.mask(b.masks, vars)
	p, err := cmd.expand(vars)
	if err != nil {
		return nil, fmt.Errorf("%s", b.masks.hide(err.Error()))
	}
	b.masks.passed(p)
	p.Hide = b.masks.hide
	return p.Run(ctx)
}

// An unsupportedError says in plain words that there is no way for something.
type unsupportedError string

func (e unsupportedError) Error() string { return string(e) }
func (unsupportedError) Unwrap() error   { return errors.ErrUnsupported }

// explain makes one line of an error: which host, which adapter, and where.
func (c *Controller) explain(b *behind, err error) error {
	if err == nil {
		return nil
	}
	at := ""
	if b != nil && b.address != "" {
		at = " at " + b.address
	}
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: adapter %s%s: %s", c.name, pxepilot.Quote(c.adapter.name), at, err).Because(err)
}

// matcher compiles a pattern; an empty one is missing.
func matcher(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, errors.New("is missing; power_status needs it to read the output")
	}
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return nil, fmt.Errorf("is no regular expression: %w", err)
	}
	return re, nil
}

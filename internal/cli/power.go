package cli

import (
	"bytes"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// What the commands that drive the power of hosts report of each: the state that
// was read back, that the BMC accepted what it was told and no more is known, or
// that it failed.
const (
	resultOn       = string(pxepilot.PowerOn)
	resultOff      = string(pxepilot.PowerOff)
	resultAccepted = "Accepted"
	resultError    = "ERROR"
)

// A powered is what came of a power command for one host.
type powered struct {
	Name       string `json:"name"`
	Result     string `json:"result,omitempty"`     // of driving it
	PowerState string `json:"powerState,omitempty"` // of asking
	Address    string `json:"address,omitempty"`    // of the BMC
	Problem    string `json:"problem,omitempty"`    // what went wrong

	unsure bool // no answer came: it may have been done nevertheless
}

// powerOptions are the options of the commands that drive the power of hosts.
type powerOptions struct {
	action string // as in the API
	result string // where it does not fail, nor is only accepted
	asked  apiv1.PowerOptions
	waves  waves
	form   *format
}

// common makes cmd one of those commands.
func (o *powerOptions) common(p *program, cmd *cobra.Command) *cobra.Command {
	cmd.Args = positional("HOST...")
	cmd.ValidArgsFunction = p.complete(true, hostNames)
	cmd.Annotations = map[string]string{changes: "power"}
	o.waves.options(cmd)
	o.form = withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.waves.check(cmd, len(args)); err != nil {
			return err
		}
		return p.drive(cmd, o, args)
	}
	return cmd
}

// nextBoot gives a command the option --next.
func (o *powerOptions) nextBoot(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().Var((*bootDevice)(&o.asked.Next), "next", "Boot from `DEVICE` the next time, once: pxe, disk or bios (the firmware's setup)")
	_ = cmd.RegisterFlagCompletionFunc("next", cobra.FixedCompletions(bootDevices, cobra.ShellCompDirectiveNoFileComp))
}

// A bootDevice is the value of --next.
type bootDevice string

var bootDevices = []string{string(pxepilot.BootPXE), string(pxepilot.BootDisk), string(pxepilot.BootSetup)}

func (d *bootDevice) String() string { return string(*d) }
func (d *bootDevice) Type() string   { return "DEVICE" }
func (d *bootDevice) Set(s string) error {
	for _, known := range bootDevices {
		if s == known {
			*d = bootDevice(s)
			return nil
		}
	}
	return errors.New("want pxe, disk or bios" + pxepilot.DidYouMean(s, bootDevices))
}

// drive has the server do an action to hosts.
func (p *program) drive(cmd *cobra.Command, o *powerOptions, args []string) error {
	c, err := p.connect(cmd)
	if err != nil {
		return err
	}
	names, err := p.resolve(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	if plan := o.waves.plan(len(names)); plan != "" {
		p.say("note", plan)
	}
	all := gathering{names: names, do: func(ctx context.Context, name string) (powered, error) {
		accepted, err := c.PowerAction(ctx, name, o.action, o.asked)
		switch {
		case err != nil:
			return powered{Result: resultError}, err
		case accepted:
			return powered{Result: resultAccepted}, nil
		}
		return powered{Result: o.result}, nil
	}}
	err = p.inWaves(cmd.Context(), &o.waves, names, all.wave)
	return p.conclude(*o.form, &all, err, "RESULT", func(r powered) string { return r.Result })
}

// conclude prints what came of hosts, as a table with one column besides their
// names, tells why some failed and which ones were not reached, and returns err
// or what else the exit status is to be.
func (p *program) conclude(form format, all *gathering, err error, column string, cell func(powered) string) error {
	rows, left := all.sorted()
	if all.told() { // else err tells all that there is
		var fine []string
		for _, r := range rows {
			if r.Problem == "" {
				fine = append(fine, r.Name)
			}
		}
		perr := p.print(form, result{data: rows, names: fine, text: func(b *bytes.Buffer) {
			t := newTable("NAME", column)
			for _, r := range rows {
				t.row(r.Name, cell(r))
			}
			t.write(b)
		}})
		if perr != nil {
			return perr
		}
		for _, r := range rows {
			if r.Problem != "" {
				p.say("error", ofHost(r.Name, r.Problem))
			}
		}
		if err == nil && len(fine) < len(rows) {
			err = silentError(exitFailed)
		}
	}
	if len(rows) > 0 && len(left) > 0 {
		p.noteLeft("not reached", left)
	}
	if err != nil && !all.unsure {
		err = undoubtedError{err}
	}
	return err
}

// resolve finds the hosts that are meant before anything is done to any of them,
// so that a slip of the hand does nothing and no machine is driven twice.
func (p *program) resolve(ctx context.Context, c *client.Client, args []string) ([]string, error) {
	hosts, err := c.HostsWithoutPower(ctx)
	if err != nil {
		return nil, undoubtedError{err}
	}
	byName, byMAC := map[string]bool{}, map[string]string{}
	for i := range hosts {
		byName[hosts[i].Name] = true
		for _, m := range hosts[i].MACAddresses {
			byMAC[m] = hosts[i].Name
		}
	}
	names, seen := make([]string, len(args)), map[string]bool{}
	for i, arg := range args {
		name := arg
		if mac, err := pxepilot.ParseMAC(arg); !byName[arg] && err == nil {
			name = byMAC[mac.String()]
		}
		if !byName[name] {
			h, err := c.Host(ctx, arg) // says why not, or knows better
			if err != nil {
				return nil, undoubtedError{hintedError{err, hintHosts(err)}}
			}
			name = h.Name
		}
		if seen[name] {
			return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s is named twice", pxepilot.Quote(name))
		}
		names[i], seen[name] = name, true
	}
	return names, nil
}

package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// onceOptions say how a deploy is meant: for good, or once. They are of each host of
// the request.
type onceOptions struct{ ref apiv1.HostRef }

func (o *onceOptions) flags(p *program, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.ref.Then, "then", "", "Deploy once: switch to `CONFIG` when the installer is done, or its time is over")
	_ = cmd.RegisterFlagCompletionFunc("then", p.completeOption(configurationNames))
	f.StringVar(&o.ref.Within, "within", "", "Give the installer `TIME`, such as 90m, 4h or 2d (default 4h, or by the settings of CONFIG)")
	f.StringVar(&o.ref.OnTimeout, "on-timeout", "", "When that is over `WHAT`: switch (default), or keep a host where it is")
	f.StringVar(&o.ref.OnPowerError, "on-power-error", "", "Where --now fails `WHAT`: back to what the host booted (default), or keep it")
	f.BoolVar(&o.ref.Permanent, "permanent", false, "Deploy for good, whatever the settings of CONFIG say")
	_ = cmd.RegisterFlagCompletionFunc("within", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("on-timeout", cobra.FixedCompletions([]string{"switch", "keep"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("on-power-error", cobra.FixedCompletions([]string{"back", "keep"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what the server would, in the words of the options.
func (o *onceOptions) check(cmd *cobra.Command, now bool) error {
	for _, name := range []string{"then", "within", "on-timeout", "on-power-error"} {
		f := cmd.Flags().Lookup(name)
		switch {
		case !f.Changed:
		case f.Value.String() == "":
			return wrongUsage(cmd, "--%s is empty", name)
		case o.ref.Permanent:
			return wrongUsage(cmd, "--permanent and --%s exclude each other", name)
		}
	}
	if d, err := pxepilot.ParseDuration(o.ref.Within); o.ref.Within != "" && (err != nil || d < pxepilot.LeastWithin || d > pxepilot.MostWithin) {
		return wrongUsage(cmd, "--within is %s; want a time such as 90m, 4h or 2d, from 1s to 365d", pxepilot.Quote(o.ref.Within))
	}
	if v := o.ref.OnTimeout; v != "" && v != "switch" && v != "keep" {
		return wrongUsage(cmd, "--on-timeout is %s; want switch or keep", pxepilot.Quote(v))
	}
	switch v := o.ref.OnPowerError; {
	case v != "" && v != "back" && v != "keep":
		return wrongUsage(cmd, "--on-power-error is %s; want back or keep", pxepilot.Quote(v))
	case v != "" && !now:
		return wrongUsage(cmd, "--on-power-error needs --now")
	}
	return nil
}

// hint says what is missing in the words of the options, where the server said it in
// its own.
func (o *onceOptions) hint(err error) string {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict && o.ref.Then == "" && (o.ref.Within != "" || o.ref.OnTimeout != "" || o.ref.OnPowerError != "") {
		return "--then CONFIG says what comes then"
	}
	return ""
}

// noteOnce tells what will become of hosts that were deployed to once, or would be.
func (p *program) noteOnce(hosts []apiv1.HostOutcome, dryRun bool) {
	one, many := "is", "are"
	if dryRun {
		one, many = "would be", "would be"
	}
	var ended []string
	type group struct {
		first *apiv1.Arming
		names []string
	}
	var groups []*group
	for i := range hosts {
		a := hosts[i].Armed
		if a == nil && hosts[i].Ended != nil {
			ended = append(ended, hosts[i].Name)
		}
		if a == nil {
			continue
		}
		var of *group
		for _, g := range groups {
			if g.first.Then == a.Then && g.first.OnTimeout == a.OnTimeout && g.first.Until == a.Until {
				of = g
			}
		}
		if of == nil {
			of = &group{first: a}
			groups = append(groups, of)
		}
		of.names = append(of.names, hosts[i].Name)
	}
	for _, g := range groups {
		is, their := one, "its installer is done"
		if len(g.names) > 1 {
			is, their = many, "their installers are done"
		}
		until := "at the latest at"
		if g.first.OnTimeout == "keep" {
			until = "if that is before"
		}
		p.say("note", fmt.Sprintf("%s %s switched to %s when %s, %s %s", someOf(g.names), is, g.first.Then, their, until, momentCell(g.first.Until)))
	}
	if len(ended) > 0 {
		is := one
		if len(ended) > 1 {
			is = many
		}
		p.say("note", fmt.Sprintf("%s %s not armed any more: nothing switches what boots there now", someOf(ended), is))
	}
}

// someOf names a few hosts, and counts the others.
func someOf(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// armedFacts tell of what a host boots once.
func armedFacts(fact func(name, value string), a *apiv1.Arming) {
	if a == nil {
		return
	}
	until := "or its time is over at " + momentCell(a.Until)
	if a.OnTimeout == "keep" {
		until = "if that is before " + momentCell(a.Until)
	}
	fact("Once", fmt.Sprintf("then %s, when its installer is done, %s (generation %d)", a.Then, until, a.Generation))
	fact("Once, suspended", a.Suspended)
	if f := a.Failure; f != nil {
		log := ""
		if f.Entry != 0 {
			log = fmt.Sprintf(" ('pxe-pilot history %d' has its log)", f.Entry)
		}
		fact("Once, failed", f.Reason+", "+cmp.Or(age(f.At), f.At)+log)
	}
	if a.Finished != "" {
		fact("Once, done", cmp.Or(age(a.Finished), a.Finished)+", but it could not be switched yet; 'pxe-pilot host history' tells why")
	}
}

// onceCell is what begins and ends with an entry of the history for one host.
func onceCell(s apiv1.Switch) string {
	var parts []string
	if s.Ended != nil {
		parts = append(parts, fmt.Sprintf("%d ends", s.Ended.Generation))
	}
	if s.Armed != nil {
		parts = append(parts, fmt.Sprintf("%d begins, then %s", s.Armed.Generation, s.Armed.Then))
	}
	return strings.Join(parts, "; ")
}

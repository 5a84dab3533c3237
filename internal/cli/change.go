package cli

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// changeOptions are the options of deploy, clear and repair.
type changeOptions struct {
	command string
	now     bool // deploy only: reboot the hosts
	change  apiv1.Change
	once    onceOptions // deploy only
	form    *format
}

// changingLinks is what a person waits for meanwhile: not the links as a rule, but
// what the server does after a switch, and TFTP servers that it asks.
const changingLinks = "changing links"

// common gives a command the options that all three have.
func (o *changeOptions) common(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&o.change.DryRun, "dry-run", false, "Print what would be done to which link, in order, and do nothing")
	cmd.Flags().BoolVar(&o.change.SkipRefused, "skip-refused", false, "Do what can be done and report the hosts that are refused")
	o.form = withOutput(cmd)
}

func (o *changeOptions) forced(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.change.Force, "force", false, "Keep a file that is in a link's place as NAME.orig-TIME and go on")
}

// to is the request for the hosts named by args.
func (o *changeOptions) to(args []string) apiv1.Change {
	o.change.Hosts = nil
	for _, arg := range args {
		ref := o.once.ref
		ref.Name = arg
		o.change.Hosts = append(o.change.Hosts, ref)
	}
	return o.change
}

// explain adds to a refusal what to do next.
func (o *changeOptions) explain(err error) error {
	if o.change.DryRun {
		err = undoubtedError{err}
	}
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict && !o.change.SkipRefused &&
		(o.change.All || len(o.change.Hosts) > 1) {
		return hintedError{err, "nothing was done; where hosts were refused, --skip-refused does it for the others"}
	}
	return hintedError{err, cmp.Or(hintNames(err), o.once.hint(err))}
}

// printOutcome prints what was done, or would be, and tells the refusals and
// failures.
func (p *program) printOutcome(o *changeOptions, outcome *apiv1.Outcome) error {
	if outcome.Hosts == nil {
		outcome.Hosts = []apiv1.HostOutcome{}
	}
	now := o.now && !o.change.DryRun
	r := result{data: outcome, text: func(b *bytes.Buffer) {
		if o.change.DryRun {
			planTable(outcome.Steps).write(b)
			return
		}
		outcomeTable(outcome.Hosts, now).write(b)
	}}
	var bare []string // of hosts that boot no configuration
	for _, h := range outcome.Hosts {
		if h.Refused == "" && h.Configuration == "" {
			bare = append(bare, h.Name)
		}
		if h.Refused == "" && (!now || h.Rebooted == rebooted) && h.Served != notServed {
			r.names = append(r.names, h.Name)
		}
	}
	if err := p.print(*o.form, r); err != nil {
		return err
	}
	if o.change.DryRun && len(outcome.Steps) == 0 {
		p.say("note", "no link would change")
	}
	if o.command == "clear" || o.command == "undo" {
		p.noteFallback(bare, o.change.DryRun)
	}
	p.noteOnce(outcome.Hosts, o.change.DryRun)
	status := exitDone
	if outcome.Problem != "" {
		p.say("error", outcome.Problem)
		status = exitFailed
	}
	for _, h := range outcome.Hosts {
		for _, warning := range h.Warnings {
			p.say("note", ofHost(h.Name, warning))
		}
		switch {
		case h.Refused != "":
			p.say("error", h.Refused)
			if status == exitDone {
				status = exitConflict
			}
		case h.Rebooted == rebootFailed:
			p.say("error", ofHost(h.Name, cmp.Or(h.Problem, h.Unserved, "it was not rebooted, and the server does not say why")))
			status = exitFailed
		case h.Served == notServed:
			p.say("error", ofHost(h.Name, cmp.Or(h.Unserved, "a TFTP server does not give what was deployed, and the server does not say why")))
			status = exitFailed
		case h.Problem != "":
			p.say("note", ofHost(h.Name, h.Problem))
		}
	}
	if status != exitDone {
		return silentError(status)
	}
	return nil
}

// outcomeTable has a row for each host that was not refused. Whether hosts are
// served is told where it was looked at.
func outcomeTable(hosts []apiv1.HostOutcome, now bool) *table {
	verified := slices.ContainsFunc(hosts, func(h apiv1.HostOutcome) bool { return h.Served != "" })
	cells := func(name, configuration, rebooted, served string) []string {
		row := []string{name, configuration}
		if now {
			row = append(row, rebooted)
		}
		if verified {
			row = append(row, served)
		}
		return row
	}
	t := newTable(cells("NAME", "CONFIGURATION", "REBOOTED", "SERVED")...)
	for _, h := range hosts {
		if h.Refused == "" {
			t.row(cells(h.Name, h.Configuration, h.Rebooted, h.Served)...)
		}
	}
	return t
}

// planTable has a row for each rename of a plan.
func planTable(steps []apiv1.Step) *table {
	header := []string{"HOST", "BOOTLOADER", "LINK", "WAS", "BECOMES"}
	kept := false
	for _, s := range steps {
		kept = kept || s.Keep != ""
	}
	if kept {
		header = append(header, "FILE KEPT AS")
	}
	t := newTable(header...)
	for _, s := range steps {
		row := []string{s.Host, s.Bootloader, s.Path, s.Was, s.Becomes}
		if kept {
			row = append(row, s.Keep)
		}
		t.row(row...)
	}
	return t
}

// hintNames says where the names are that a request was looking for.
func hintNames(err error) string {
	return ifNotFound(err, "'pxe-pilot host list' and 'pxe-pilot config list' show what there is")
}

func hintConfigurations(err error) string {
	return ifNotFound(err, "'pxe-pilot config list' shows what there is")
}

func hintHosts(err error) string {
	return ifNotFound(err, "'pxe-pilot host list' shows what there is")
}

func ifNotFound(err error, hint string) string {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return hint
	}
	return ""
}

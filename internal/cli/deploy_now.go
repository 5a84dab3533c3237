package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// What the API says of a host's reboot, and of what TFTP servers give it.
const (
	rebooted     = "YES"
	notRebooted  = "NO"
	rebootFailed = "ERROR"
	notServed    = "NO"
)

// deployOptions are those of a change, and how hosts are rebooted after it.
type deployOptions struct {
	changeOptions
	waves       waves
	switchFirst bool
}

func (o *deployOptions) reboots(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.now, "now", "n", false, "Reboot the hosts then, from the network; start those that are off")
	o.waves.options(cmd)
	cmd.Flags().BoolVar(&o.switchFirst, "switch-first", false, "Switch all hosts before the first wave, not each with its own")
}

func (o *deployOptions) check(cmd *cobra.Command, hosts int) error {
	if o.now {
		return o.waves.check(cmd, hosts)
	}
	for _, option := range []string{"batch", "pause", "max-fail", "all-at-once", "switch-first"} {
		if cmd.Flags().Changed(option) {
			return wrongUsage(cmd, "--%s needs --now", option)
		}
	}
	return nil
}

// notePlan tells beforehand how hosts will be rebooted, where there is a choice.
func (p *program) notePlan(o *deployOptions, hosts int) {
	plan := o.waves.plan(hosts)
	switch {
	case plan == "":
	case o.switchFirst:
		p.say("note", "all hosts are switched first; then "+plan)
	default:
		p.say("note", plan)
	}
}

// deployNow switches hosts and reboots them: by one request, or by one for each
// wave.
func (p *program) deployNow(ctx context.Context, c *client.Client, o *deployOptions, configuration string, args []string) error {
	d := deployment{c: c, o: o, configuration: configuration}
	if len(o.waves.of(args)) > 1 {
		return p.deployWaves(ctx, &d, args)
	}
	var outcome *apiv1.Outcome
	err := p.inWaves(ctx, &o.waves, args, func(ctx context.Context, wave []string, _ func(bool)) (err error) {
		outcome, err = d.ask(ctx, d.reboot(wave))
		return err
	})
	if err != nil {
		return o.explain(err)
	}
	return p.printOutcome(&o.changeOptions, outcome)
}

// deployWaves does it wave by wave. A dry run of the whole comes first, so that
// what would refuse a later wave refuses all, and no host is in two waves.
func (p *program) deployWaves(ctx context.Context, d *deployment, args []string) error {
	o := d.o
	change := o.to(args)
	change.DryRun = true
	first, err := d.ask(ctx, change)
	if err != nil {
		return undoubtedError{o.explain(err)}
	}
	d.learn(first)
	for _, h := range first.Hosts {
		if h.Armed != nil && o.switchFirst { // else hosts that are never reached would wait with an installer
			return &usageError{command: "pxe-pilot config deploy", message: fmt.Sprintf(
				"%s would be deployed to once (then %s), and is not switched before its wave; leave out --switch-first, or deploy for good (--permanent)", h.Name, h.Armed.Then)}
		}
	}
	p.notePlan(o, len(d.names))
	if o.switchFirst {
		stop := p.waiting(ctx, changingLinks)
		first, err = d.ask(ctx, o.to(d.names))
		stop()
		if err != nil {
			return o.explain(err)
		}
		d.learn(first)
		d.switched = true
	}
	if err = d.failed(); err == nil {
		err = p.inWaves(ctx, &o.waves, d.names, d.wave)
	}
	outcome, left := d.outcome()
	if perr := p.printOutcome(&o.changeOptions, outcome); err == nil {
		return perr
	}
	if len(left) > 0 && o.switchFirst {
		p.noteLeft("switched, but not rebooted", left)
	} else if len(left) > 0 {
		p.noteLeft("not reached", left)
	}
	if !d.unsure {
		err = undoubtedError{err}
	}
	return err
}

// A deployment is a deploy in several requests.
type deployment struct {
	c             *client.Client
	o             *deployOptions
	configuration string

	all      []apiv1.HostOutcome          // before the waves, in the order of the command line
	names    []string                     // of those that were not refused
	rows     map[string]apiv1.HostOutcome // of the waves
	switched bool                         // all hosts are
	unsure   bool                         // a row is not the server's, for no answer came
	problem  string                       // of all hosts, once links were switched
}

func (d *deployment) ask(ctx context.Context, change apiv1.Change) (*apiv1.Outcome, error) {
	return d.c.Deploy(ctx, d.configuration, change)
}

// reboot is the request to switch hosts and reboot them.
func (d *deployment) reboot(hosts []string) apiv1.Change {
	change := d.o.to(hosts)
	for i := range change.Hosts {
		change.Hosts[i].Reboot = true
	}
	change.AllAtOnce = len(hosts) > mostAtOnce // which was asked for
	return change
}

// learn takes from an answer about all hosts which ones there are, and which ones
// to go on with.
func (d *deployment) learn(answer *apiv1.Outcome) {
	known := map[string]int{}
	for i, h := range d.all {
		known[h.Name] = i
	}
	d.names, d.problem = nil, answer.Problem
	for _, h := range answer.Hosts {
		if i, ok := known[h.Name]; ok {
			d.all[i] = h
		} else {
			d.all = append(d.all, h)
		}
		if h.Refused == "" {
			d.names = append(d.names, h.Name)
		}
	}
}

// wave switches and reboots some of the hosts.
func (d *deployment) wave(ctx context.Context, hosts []string, told func(failed bool)) error {
	outcome, err := d.ask(ctx, d.reboot(hosts))
	if err != nil && !inDoubt(err) {
		return err
	}
	if err != nil {
		d.unsure = true
		outcome = &apiv1.Outcome{}
		for _, name := range hosts {
			row := apiv1.HostOutcome{Name: name, Rebooted: rebootFailed, Problem: noAnswer}
			if d.switched {
				row.Configuration = d.configuration
			}
			outcome.Hosts = append(outcome.Hosts, row)
		}
	}
	if d.rows == nil {
		d.rows = map[string]apiv1.HostOutcome{}
	}
	for _, h := range outcome.Hosts {
		d.rows[h.Name] = h
		told(h.Rebooted == rebootFailed || h.Refused != "")
	}
	if err == nil {
		d.problem = outcome.Problem
		err = d.failed()
	}
	return err
}

// failed ends the waves where something is wrong with all hosts, which the outcome
// tells.
func (d *deployment) failed() error {
	if d.problem != "" {
		return silentError(exitFailed)
	}
	return nil
}

// outcome is what one request would have answered, but for the hosts that were
// left.
func (d *deployment) outcome() (o *apiv1.Outcome, left []string) {
	o = &apiv1.Outcome{Problem: d.problem}
	for _, h := range d.all {
		row, reached := d.rows[h.Name]
		switch {
		case reached:
			o.Hosts = append(o.Hosts, row)
		case h.Refused != "":
			o.Hosts = append(o.Hosts, h)
		default:
			left = append(left, h.Name)
			if d.switched {
				h.Rebooted = notRebooted
				o.Hosts = append(o.Hosts, h)
			}
		}
	}
	return o, left
}

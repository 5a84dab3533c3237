package pilot

import (
	"cmp"
	"context"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// MaxReboots is how many machines one request reboots that does not say
// AllAtOnce. The inrush of a full rack trips its supply.
const MaxReboots = 16

// checkReboots refuses to reboot many machines by one request unless that is
// what was meant.
func checkReboots(c Change) error {
	n := 0
	for _, ref := range c.Hosts {
		if ref.Reboot {
			n++
		}
	}
	switch {
	case n > 0 && c.Want != pxepilot.Deploy:
		return pxepilot.Errorf(pxepilot.Invalid, "only a deploy reboots machines")
	case n > MaxReboots && !c.AllAtOnce:
		return pxepilot.Errorf(pxepilot.Conflict, "%d machines would be rebooted at once, and more than %d can trip the power supply of a rack; "+
			"reboot fewer with each request (--batch), or accept it with allAtOnce (--all-at-once)", n, MaxReboots)
	}
	return nil
}

// reboot has machines boot over the network whose links were switched, all at
// the same time, and notes in their results what came of it.
func (p *Pilot) reboot(ctx context.Context, hosts []*pxepilot.Host, c Change, results []Result) {
	s, done := p.span(ctx)
	defer done()
	var wg sync.WaitGroup
	for i, ref := range c.Hosts { // in the order of hosts and of results
		switch {
		case !ref.Reboot || results[i].Refused != nil:
			continue
		case results[i].Unserved != nil:
			results[i].Problem = pxepilot.Errorf(pxepilot.Conflict, "host %s was not rebooted, for it would not boot what was deployed: %s",
				pxepilot.Quote(hosts[i].Name), pxepilot.ErrorMessage(results[i].Unserved)).Because(results[i].Unserved)
			continue
		}
		wg.Go(func() {
			d, err := p.drive(s, hosts[i], Order{Do: Reboot, Next: pxepilot.BootPXE, proven: true, tolerant: true})
			results[i].Rebooted, results[i].Problem = err == nil, cmp.Or(err, d.skipped)
		})
	}
	wg.Wait()
}

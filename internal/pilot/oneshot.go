package pilot

import (
	"cmp"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Once says how a deploy to a host is meant: for good, or once. The zero value
// leaves that to the rule of the configuration, if it has one.
type Once struct {
	Then         string             // what the host is switched to when its installer is done; empty for what the rule says
	Within       time.Duration      // that its installer has; zero for the rule's, or DefaultWithin
	OnTimeout    pxepilot.OnTimeout // empty for SwitchOnTimeout
	OnPowerError OnPowerError       // empty for BackOnPowerError
	Permanent    bool               // for good, whatever the rule says
}

// OnPowerError is what becomes of a host that was deployed to once and to be
// rebooted, and was not.
type OnPowerError string

// What becomes of it.
const (
	BackOnPowerError OnPowerError = "back" // to what it booted before
	KeepOnPowerError OnPowerError = "keep" // it stays armed
)

// once is how a deploy of a configuration is meant, with all that was left open;
// nil for good.
func (s *Site) once(configuration string, o Once) *Once {
	rule, ruled := s.Rules[configuration]
	if o.Permanent || o.Then == "" && !ruled {
		return nil
	}
	o.Then = cmp.Or(o.Then, rule.Then)
	o.Within = cmp.Or(o.Within, rule.Within, pxepilot.DefaultWithin)
	o.OnTimeout = cmp.Or(o.OnTimeout, pxepilot.SwitchOnTimeout)
	return &o
}

// arming is what once comes to for a host, but for when and as which one.
func (o *Once) arming(h *pxepilot.Host, configuration string, dropUncovered bool) *pxepilot.Arming {
	return &pxepilot.Arming{
		Host: h.Name, MACs: slices.Clone(h.MACs), Configuration: configuration, Then: o.Then, DropUncovered: dropUncovered,
		OnTimeout: o.OnTimeout, Within: o.Within,
	}
}

// checkOnce refuses what contradicts itself before anything is looked at.
func (c *Change) checkOnce(site *Site) error {
	for i := range c.Hosts {
		if c.Hosts[i].Once == (Once{}) {
			continue
		}
		if err := c.checkOne(site, c.Hosts[i]); err != nil {
			return pxepilot.Errorf(pxepilot.ErrorCode(err), "host %d of the list: %v", i+1, err)
		}
	}
	return nil
}

func (c *Change) checkOne(site *Site, ref HostRef) error {
	o := ref.Once
	switch {
	case c.Want != pxepilot.Deploy:
		return pxepilot.Errorf(pxepilot.Invalid, "only a deploy is for good or once")
	case o.Permanent && o != Once{Permanent: true}:
		return pxepilot.Errorf(pxepilot.Conflict, "it is to be deployed to for good (permanent) and once; leave one out")
	case o.Within != 0 && (o.Within < pxepilot.LeastWithin || o.Within > pxepilot.MostWithin):
		return pxepilot.Errorf(pxepilot.Invalid, "within is %s; want a time from 1s to 365d", o.Within)
	case o.OnTimeout != "" && o.OnTimeout != pxepilot.SwitchOnTimeout && o.OnTimeout != pxepilot.KeepOnTimeout:
		return pxepilot.Errorf(pxepilot.Invalid, "onTimeout is %s; want switch or keep", pxepilot.Quote(string(o.OnTimeout)))
	case o.OnPowerError != "" && o.OnPowerError != BackOnPowerError && o.OnPowerError != KeepOnPowerError:
		return pxepilot.Errorf(pxepilot.Invalid, "onPowerError is %s; want back or keep", pxepilot.Quote(string(o.OnPowerError)))
	case o.OnPowerError != "" && !ref.Reboot && !c.DryRun: // a plan needs no power
		return pxepilot.Errorf(pxepilot.Conflict, "onPowerError is for a host that is rebooted; add reboot, or leave it out")
	case o.Then == c.Configuration:
		return pxepilot.Errorf(pxepilot.Conflict, "then names %s, which is what is deployed; name what it boots when its installer is done, such as local",
			pxepilot.Quote(o.Then))
	case o.Then != "":
		return checkName("then", o.Then)
	case !o.Permanent && site.once(c.Configuration, o) == nil:
		return pxepilot.Errorf(pxepilot.Conflict, "nothing says what it boots when its installer is done; add then, or configuration.settings for %s to the configuration file",
			pxepilot.Quote(c.Configuration))
	}
	return nil
}

// errUnarmable is for who keeps no journal: what is armed has to outlive a power cut.
var errUnarmable = pxepilot.Errorf(pxepilot.Unavailable, "this server keeps no journal, without which no deploy can be one-shot; deploy for good (--permanent)")

// unarmable says so where the journal cannot be written, which counts also where
// other changes do without.
func unarmable(err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "nothing was switched, for what is meant once has to be written down: %s; mend that, or deploy for good (--permanent)",
		pxepilot.ErrorMessage(err)).Because(causeOf(err))
}

// refuseThen says why a host could not be switched later to what comes then, when
// nobody is there to decide.
func refuseThen(s *pxepilot.HostStatus, then pxepilot.Configuration, dropUncovered bool) error {
	err := refuseUncovered(s, then, dropUncovered)
	if err == nil {
		return nil
	}
	return pxepilot.Errorf(pxepilot.ErrorCode(err), "what comes then: %v", err)
}

// A plan is what is to be done to links, which hosts are armed by it, and on which
// armings it relies: it holds only for as long as those do.
type plan struct {
	moves  []pxepilot.Move
	arm    map[string]*pxepilot.Arming // by host
	relies map[string]uint64           // generations, by host
}

// add plans a move, and how it is armed; nil for not at all.
func (p *plan) add(m pxepilot.Move, a *pxepilot.Arming) {
	p.moves = append(p.moves, m)
	if a == nil {
		return
	}
	if p.arm == nil {
		p.arm = map[string]*pxepilot.Arming{}
	}
	p.arm[m.Host.Name] = a
}

// rely notes that what is planned for a host is so because of an arming.
func (p *plan) rely(a *pxepilot.Arming) {
	if p.relies == nil {
		p.relies = map[string]uint64{}
	}
	p.relies[a.Host] = a.Generation
}

// ruled is the arming of a host by the rule of a configuration; nil where it has
// none.
func (s *Site) ruled(h *pxepilot.Host, configuration string, dropUncovered bool) *pxepilot.Arming {
	if o := s.once(configuration, Once{}); o != nil {
		return o.arming(h, configuration, dropUncovered)
	}
	return nil
}

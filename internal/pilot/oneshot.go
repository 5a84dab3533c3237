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
		o := c.Hosts[i].Once
		if o == (Once{}) {
			continue
		}
		if err := c.checkOne(site, o); err != nil {
			return pxepilot.Errorf(pxepilot.ErrorCode(err), "host %d of the list: %v", i+1, err)
		}
	}
	return nil
}

func (c *Change) checkOne(site *Site, o Once) error {
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

// refuseThen says why a host could not be switched later to what comes then, when
// nobody is there to decide.
func refuseThen(s *pxepilot.HostStatus, then pxepilot.Configuration, dropUncovered bool) error {
	err := refuseUncovered(s, then, dropUncovered)
	if err == nil {
		return nil
	}
	return pxepilot.Errorf(pxepilot.ErrorCode(err), "what comes then: %v", err)
}

// A plan is what is to be done to links, and which hosts are armed by it.
type plan struct {
	moves []pxepilot.Move
	arm   map[string]*pxepilot.Arming // by host
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

// goOn plans that a host gets what comes then, which is armed in its turn where its
// rule says so.
func (p *plan) goOn(site *Site, h *pxepilot.Host, a *pxepilot.Arming) {
	p.add(pxepilot.Move{Host: h, Want: pxepilot.Deploy, Configuration: a.Then}, site.ruled(h, a.Then, a.DropUncovered))
}

// ruled is the arming of a host by the rule of a configuration; nil where it has
// none.
func (s *Site) ruled(h *pxepilot.Host, configuration string, dropUncovered bool) *pxepilot.Arming {
	if o := s.once(configuration, Once{}); o != nil {
		return o.arming(h, configuration, dropUncovered)
	}
	return nil
}

// stamp makes an arming that was planned one of its own, from now on.
func (b *book) stamp(planned *pxepilot.Arming) *pxepilot.Arming {
	now := b.clock()
	a := *planned
	b.generation++
	a.Generation, a.Armed, a.Deadline = b.generation, now.Wall, now.In(a.Within)
	return &a
}

// replaces says whether an entry of that kind ends what was armed before.
var replaces = map[pxepilot.What]bool{
	pxepilot.Deployed: true, pxepilot.Cleared: true, pxepilot.Undone: true, pxepilot.PutBack: true, pxepilot.Finished: true, pxepilot.TimedOut: true,
}

// settle adds to a record which armings begin and end with an entry that has a
// result now, but for hosts that later ones are of. Of a host of which nobody knows
// what became, the arming stays that has most to do with it.
func (b *book) settle(record *pxepilot.Record, e *pxepilot.Entry, later func(host string) bool) {
	for i := range e.Hosts {
		s := &e.Hosts[i]
		came := cameOf(e, s)
		old := b.armings.Of(s.Host).Arming
		if old == nil && s.Armed == nil || came != pxepilot.Done && came != pxepilot.Unclear || later != nil && later(s.Host) {
			continue
		}
		switch {
		case s.Armed != nil:
			a := *s.Armed
			a.Entry = e.ID
			record.Armed = append(record.Armed, a)
		case came == pxepilot.Done && replaces[e.What]:
			record.Disarmed = append(record.Disarmed, s.Host)
		default:
			continue
		}
		s.Ended = old
	}
}

// armedAfter is the arming of a host as it is once a record is written; nil for none.
func (b *book) armedAfter(record *pxepilot.Record, host string) *pxepilot.Arming {
	for i := range record.Armed {
		if record.Armed[i].Host == host {
			return &record.Armed[i]
		}
	}
	if slices.Contains(record.Disarmed, host) {
		return nil
	}
	return b.armings.Of(host).Arming
}

// rearm adds to a record that an arming is another one now.
func rearm(record *pxepilot.Record, a pxepilot.Arming) {
	for i := range record.Armed {
		if record.Armed[i].Host == a.Host {
			record.Armed[i] = a
			return
		}
	}
	record.Armed = append(record.Armed, a)
}

// disarm adds to a record that a host is armed no more.
func disarm(record *pxepilot.Record, host string) {
	record.Armed = slices.DeleteFunc(record.Armed, func(a pxepilot.Arming) bool { return a.Host == host })
	record.Disarmed = append(record.Disarmed, host)
}

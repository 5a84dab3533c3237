package pilot

import (
	"context"
	"fmt"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A HostRef names a host by its name, by one of its MAC addresses, or by both,
// which must then agree. A Name that no host has may be a MAC address, too.
type HostRef struct {
	Name, MAC string
	Reboot    bool // deploy only: have it boot over the network at once
	Once      Once // deploy only
}

// A Change is a request to change what hosts boot. All of it is done, or
// nothing, except for hosts that SkipRefused leaves out.
type Change struct {
	Want          pxepilot.Want
	Configuration string // for Deploy
	Hosts         []HostRef
	All           bool // every host, in place of Hosts
	DryRun        bool // plan only
	SkipRefused   bool // do what can be done and report the rest
	DropUncovered bool // let a host's loaders that the configuration has no variant for fall to their default
	Force         bool // keep a regular file that is in the way under another name, and go on
	AllAtOnce     bool // reboot more than MaxReboots hosts
	By            Actor
	Speaker       func(context.Context) string // the host at the other end of the connection; empty, or nil, where nobody can tell
	Verify        *bool                        // deploy only: see what the TFTP servers give before any host is rebooted; nil for what the site says
}

// An Outcome is what a Change did, or would do.
type Outcome struct {
	Hosts []Result // in the order asked
	Steps []pxepilot.Step
	Entry int64 // of the journal; 0 for none
	// Unrecorded says that all was done, but that the journal does not tell so yet. It
	// is a whole sentence, with the code Unavailable. Nobody needs to do it again.
	Unrecorded error
	// AfterSwitch says that all links were switched, but that what has to be done
	// before machines see it failed; nothing was verified or rebooted then. It is a
	// whole sentence, with the code Unavailable. Repeating the request tries again.
	AfterSwitch error
}

// A Result tells of one host.
type Result struct {
	Host          string
	Configuration string   // what it boots now; empty when cleared or refused
	Refused       error    // why nothing was done to it, or nil
	Verified      bool     // it was looked at what the TFTP servers give
	Unserved      error    // where Verified: why machines do not get what was deployed from each of them, or nil
	Warnings      []string // where Verified: what may change what its machine gets and is not known here, a sentence each
	Rebooted      bool
	Armed         *pxepilot.Arming // nil where it boots that for good
	Ended         *pxepilot.Arming // by this; nil for none
	Problem       error            // why it was not rebooted that should be, or what to know about its reboot; nil for nothing
}

// is notes what came of switching links.
func (o *Outcome) is(done switching) {
	o.Steps, o.Entry, o.Unrecorded = done.steps, done.entry, done.unrecorded
	once := map[string]*pxepilot.Switch{}
	for i := range done.hosts {
		if s := &done.hosts[i]; s.Armed != nil || s.Ended != nil {
			once[s.Host] = s
		}
	}
	for i := range o.Hosts {
		if s := once[o.Hosts[i].Host]; s != nil {
			o.Hosts[i].Armed, o.Hosts[i].Ended = s.Armed, s.Ended
		}
	}
}

// would notes what a dry run would arm, and what would end by it.
func (o *Outcome) would(b *book, planned plan, what pxepilot.What) {
	if b == nil {
		return
	}
	now, armed := b.clock(), b.told()
	for i := range o.Hosts {
		r := &o.Hosts[i]
		if a := planned.arm[r.Host]; a != nil {
			would := *a
			would.Armed, would.Deadline = now.Wall, now.In(a.Within)
			r.Armed = &would
		}
		if r.Refused == nil && replaces[what] {
			r.Ended = armed.Of(r.Host).Arming
		}
	}
}

// Change checks a request against the rules and carries it out. Once all links
// are switched comes what has to be done after a switch, then a look at what the
// TFTP servers give, and then machines are rebooted; what goes wrong on the way
// leaves the links switched.
func (p *Pilot) Change(ctx context.Context, c Change) (*Outcome, error) {
	if c.Want == pxepilot.Deploy {
		if err := checkName("configuration", c.Configuration); err != nil {
			return nil, err
		}
	}
	site := p.site()
	hosts, err := resolve(site.Inventory, c)
	if err != nil {
		return nil, err
	}
	if err := checkReboots(c); err != nil {
		return nil, err
	}
	if err := c.checkOnce(site); err != nil {
		return nil, err
	}
	verify, err := c.verify(site)
	if err != nil {
		return nil, err
	}
	// A client that shuts down its sending side once it has asked, as nc does, looks
	// like one that left, and what an installer asks for must not depend on that.
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	var out Outcome
	var deployed pxepilot.Configuration
	var planned plan
	e, ended := p.entryOf(asked, c, hosts)
	done, err := p.switchLinks(asked, site, c.DryRun, e, func(view *pxepilot.View) (plan, error) {
		deployed, _ = view.Configuration(c.Configuration)
		planned, out.Hosts, err = decide(site, view, hosts, c)
		if ended != nil && planned.arm[ended.Host] != nil {
			planned.arm[ended.Host].After = ended.Generation
		}
		return planned, err
	})
	if err != nil {
		return nil, p.unfinished(ended, e, err)
	}
	out.is(done)
	if c.DryRun {
		out.would(p.book, planned, e.What)
		return &out, nil
	}
	if out.AfterSwitch = p.afterSwitch(ctx, site); out.AfterSwitch != nil {
		unpushed(hosts, c, out.Hosts)
	} else {
		if verify {
			p.verify(context.WithoutCancel(ctx), site, hosts, deployed, out.Hosts)
		}
		p.reboot(ctx, hosts, c, out.Hosts)
	}
	p.putBack(ctx, site, c, done, &out)
	return &out, nil
}

// thenNotFound says that nothing is there that could come then.
func thenNotFound(view *pxepilot.View, configuration, then string) error {
	return pxepilot.Errorf(pxepilot.NotFound, "what comes then: %v (for deploys of %s)", configurationNotFound(view, then), pxepilot.Quote(configuration))
}

// entry is what the journal tells of a change.
func (c Change) entry() *pxepilot.Entry {
	what := map[pxepilot.Want]pxepilot.What{pxepilot.Deploy: pxepilot.Deployed, pxepilot.Clear: pxepilot.Cleared, pxepilot.Repair: pxepilot.Repaired}
	return &pxepilot.Entry{What: what[c.Want], Actor: c.By.Name, From: c.By.From, Of: c.Configuration}
}

// resolve finds the hosts of a request: each once, and each known.
func resolve(inv *pxepilot.Inventory, c Change) ([]*pxepilot.Host, error) {
	switch {
	case c.All && len(c.Hosts) > 0:
		return nil, pxepilot.Errorf(pxepilot.Conflict, "all hosts are asked for and some are named; leave one out")
	case c.All:
		return inv.Hosts(), nil
	}
	if len(c.Hosts) == 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "no host was named; say for which hosts")
	}
	hosts := make([]*pxepilot.Host, 0, len(c.Hosts))
	seen := make(map[*pxepilot.Host]bool, len(c.Hosts))
	for i, ref := range c.Hosts {
		h, err := find(inv, ref, i)
		if err != nil {
			return nil, err
		}
		if seen[h] {
			return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s is named twice", pxepilot.Quote(h.Name))
		}
		seen[h] = true
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func find(inv *pxepilot.Inventory, ref HostRef, at int) (*pxepilot.Host, error) {
	if ref.Name == "" && ref.MAC == "" {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %d of the list has neither a name nor a mac_address", at+1)
	}
	var byMAC *pxepilot.Host
	if ref.MAC != "" {
		m, err := pxepilot.ParseMAC(ref.MAC)
		if err != nil {
			return nil, pxepilot.Errorf(pxepilot.Invalid, "host %d of the list: %v", at+1, err)
		}
		if byMAC = inv.ByMAC(m); byMAC == nil {
			return nil, pxepilot.Errorf(pxepilot.NotFound, "no host has the MAC address %s", m)
		}
	}
	if ref.Name == "" {
		return byMAC, nil
	}
	if err := pxepilot.CheckName(ref.Name); err != nil {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %d of the list: %v", at+1, err)
	}
	h := inv.Find(ref.Name)
	if h == nil {
		return nil, hostNotFound(inv, ref.Name)
	}
	if byMAC != nil && byMAC != h {
		return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s does not have the MAC address %s, which is host %s's",
			pxepilot.Quote(h.Name), ref.MAC, pxepilot.Quote(byMAC.Name))
	}
	return h, nil
}

// decide applies the rules to each host and returns what is to be done. Without
// SkipRefused one refused host refuses all.
func decide(site *Site, view *pxepilot.View, hosts []*pxepilot.Host, c Change) (plan, []Result, error) {
	var configuration pxepilot.Configuration
	if c.Want == pxepilot.Deploy {
		var ok bool
		if configuration, ok = view.Configuration(c.Configuration); !ok {
			return plan{}, nil, configurationNotFound(view, c.Configuration)
		}
	}
	decided := plan{moves: make([]pxepilot.Move, 0, len(hosts))}
	results := make([]Result, 0, len(hosts))
	var refused []error
	for i, h := range hosts {
		status := view.Of(h)
		err := refuse(status, configuration, c)
		var armed *pxepilot.Arming
		if c.Want == pxepilot.Deploy {
			if once := site.once(c.Configuration, c.Hosts[i].Once); once != nil {
				then, there := view.Configuration(once.Then)
				if !there {
					return plan{}, nil, thenNotFound(view, c.Configuration, once.Then)
				}
				armed = once.arming(h, c.Configuration, c.DropUncovered)
				if err == nil {
					err = refuseThen(status, then, c.DropUncovered)
				}
			}
		}
		if err != nil {
			refused = append(refused, err)
			results = append(results, Result{Host: h.Name, Refused: err})
			continue
		}
		decided.add(pxepilot.Move{Host: h, Want: c.Want, Configuration: c.Configuration}, armed)
		r := Result{Host: h.Name}
		switch c.Want {
		case pxepilot.Deploy:
			r.Configuration = c.Configuration
		case pxepilot.Repair:
			r.Configuration = status.Common()
		}
		results = append(results, r)
	}
	if len(refused) > 0 && (!c.SkipRefused || len(decided.moves) == 0) {
		return plan{}, nil, join(refused)
	}
	return decided, results, nil
}

// refuse says why a host must not be changed as asked, or nil.
func refuse(s *pxepilot.HostStatus, configuration pxepilot.Configuration, c Change) error {
	if c.Want == pxepilot.Repair {
		return refuseRepair(s)
	}
	for _, l := range s.Links {
		switch {
		case l.State != pxepilot.Unmanaged:
		case l.Obstacle != "":
			return pxepilot.Errorf(pxepilot.Conflict, "host %s: %s is %s, which is not kept; move it away",
				pxepilot.Quote(s.Host.Name), l.Path, l.Obstacle)
		case !c.Force:
			return pxepilot.Errorf(pxepilot.Conflict,
				"host %s: %s is not a link but somebody else's file; move it away, or have it kept beside with --force",
				pxepilot.Quote(s.Host.Name), l.Path)
		}
	}
	if c.Want != pxepilot.Deploy {
		return nil
	}
	return refuseUncovered(s, configuration, c.DropUncovered)
}

// refuseUncovered says which loaders of a host would fall to their default by a
// configuration.
func refuseUncovered(s *pxepilot.HostStatus, configuration pxepilot.Configuration, dropUncovered bool) error {
	var covered, uncovered []string
	for _, b := range loaders(s) {
		if configuration.Covers(b) {
			covered = append(covered, b)
		} else {
			uncovered = append(uncovered, b)
		}
	}
	switch {
	case len(uncovered) == 0:
		return nil
	case len(covered) == 0:
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: configuration %s has no variant for any of its loaders (%s)",
			pxepilot.Quote(s.Host.Name), pxepilot.Quote(configuration.Name), strings.Join(uncovered, ", "))
	case dropUncovered:
		return nil
	}
	return pxepilot.Errorf(pxepilot.Conflict,
		"host %s: configuration %s has no variant for its loader %s, which would fall to its default; "+
			"add the variant, list the host's bootloaders in the file, or accept it with --drop-uncovered",
		pxepilot.Quote(s.Host.Name), pxepilot.Quote(configuration.Name), strings.Join(uncovered, ", "))
}

// refuseRepair says why the links of a host cannot be brought into shape without
// changing what it boots. Links that are missing (a MAC address or a loader that
// is new in the file) are no reason: they get what the others have.
func refuseRepair(s *pxepilot.HostStatus) error {
	configuration := s.Common()
	for _, l := range s.Links {
		switch {
		case l.State == pxepilot.None:
		case l.Configuration == "":
			return pxepilot.Errorf(pxepilot.Conflict, "host %s: %s is %s, so that nothing tells what it should boot; deploy a configuration to it",
				pxepilot.Quote(s.Host.Name), l.Path, l.State)
		case l.Configuration != configuration:
			return pxepilot.Errorf(pxepilot.Conflict, "host %s: its links lead to different configurations (%s and %s); deploy the one that is meant",
				pxepilot.Quote(s.Host.Name), pxepilot.Quote(configuration), pxepilot.Quote(l.Configuration))
		}
	}
	return nil
}

// loaders lists the loaders that count for a host, in declared order.
func loaders(s *pxepilot.HostStatus) []string {
	var names []string
	for _, l := range s.Links {
		if n := len(names); n == 0 || names[n-1] != l.Bootloader {
			names = append(names, l.Bootloader)
		}
	}
	return names
}

// join makes one refusal out of many: the first few in full, the rest counted.
func join(refused []error) error {
	const most = 3
	parts := make([]string, 0, most+1)
	for i, err := range refused {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(refused)-most))
			break
		}
		parts = append(parts, err.Error())
	}
	code := pxepilot.ErrorCode(refused[0])
	return pxepilot.Errorf(code, "%s", strings.Join(parts, "; "))
}

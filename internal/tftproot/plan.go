package tftproot

import (
	"errors"
	"path"
	"strconv"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// A step is a pxepilot.Step with what carrying it out needs to know.
type step struct {
	pxepilot.Step
	at      spot
	file    bool   // a file of somebody else's is there, which Keep saves
	restore bool   // the file that Keep saved comes back, in place of Becomes
	conf    bool   // Becomes leads to a configuration, not to another link
	temp    string // the temporary name, in the same directory
	holds   bool   // the temporary name exists now
	turn    int    // how many steps of the same name come before
	final   bool   // no step of the same name comes after
}

// plan turns moves into steps. It changes nothing: a dry run shows just what
// would be done.
//
// The order is what readers are promised by. A host whose links are in canonical
// shape switches by one step. Links that agree but are not in shape (absolute, or
// each leading to the configuration by itself) are first brought into it at the
// configuration that they have, further MAC addresses first, so that the host
// then switches as a whole. Whatever else is there has no one configuration to
// keep: the first link leads, the others follow, and each name is only ever seen
// old or new. Whatever the order, no step makes a circle.
func (s *session) plan(snap *snapshot, moves []pxepilot.Move) []step {
	p := s.planning(snap)
	moved := make(map[int]bool, len(moves))
	for _, m := range moves {
		i := snap.view.IndexOf(m.Host)
		moved[i] = true
		p.move(i, m)
	}
	before, after := p.detach(moved)
	return append(append(before, p.steps...), after...)
}

// planning is one plan in the making.
type planning struct {
	*session
	snap  *snapshot
	now   map[spot]text      // what is under the names that the steps so far change
	texts map[memoKey]string // that lead to a configuration
	steps []step
}

func (s *session) planning(snap *snapshot) *planning {
	return &planning{session: s, snap: snap, now: map[spot]text{}, texts: map[memoKey]string{}}
}

// chains calls do for every chain of a host with what was seen of its links.
func (p *planning) chains(host int, do func(c *chain, links []pxepilot.Link)) {
	b, links := &p.snap.bound.hosts[host], p.snap.view.Hosts[host].Links
	for i := range b.chains {
		n := len(b.chains[i].names)
		do(&b.chains[i], links[:n])
		links = links[n:]
	}
}

func (p *planning) move(host int, m pxepilot.Move) {
	configuration := m.Configuration
	if m.Want == pxepilot.Repair {
		configuration = p.snap.view.Hosts[host].Common()
	}
	p.chains(host, func(c *chain, links []pxepilot.Link) {
		if m.Want != pxepilot.Clear && configuration != "" && p.snap.confs[c.loader][configuration] {
			p.deploy(c, links, configuration)
		} else if m.Want != pxepilot.Repair {
			p.clear(c, links)
		}
	})
}

// agreed is the configuration that every one of the links leads to, or empty.
func agreed(links []pxepilot.Link) string {
	configuration := links[0].Configuration
	for i := range links {
		if links[i].Configuration != configuration {
			return ""
		}
	}
	return configuration
}

func (p *planning) deploy(c *chain, links []pxepilot.Link, configuration string) {
	if current := agreed(links); current != "" && !shaped(links) {
		p.shape(c, links, current)
	}
	p.set(c, links, 0, configuration)
	p.join(c, links)
}

func shaped(links []pxepilot.Link) bool {
	for i := range links {
		if !links[i].Canonical {
			return false
		}
	}
	return true
}

// shape makes the links follow the first one at the configuration that all of
// them lead to already.
func (p *planning) shape(c *chain, links []pxepilot.Link, configuration string) {
	if len(links[0].Through) > 0 {
		// It may lead through one of those that are to follow it.
		p.set(c, links, 0, configuration)
	}
	p.join(c, links)
}

// join makes the further links of a chain lead to the first. Those in
// canonical shape do so, whatever the configuration.
func (p *planning) join(c *chain, links []pxepilot.Link) {
	for n := 1; n < len(links); n++ {
		if !links[n].Canonical {
			p.set(c, links, n, "")
		}
	}
}

func (p *planning) clear(c *chain, links []pxepilot.Link) {
	for n := len(links) - 1; n >= 0; n-- {
		p.put(c, links, n, "", false)
	}
}

// set leads the n-th link to a configuration, or, where that is empty, to the
// first link.
func (p *planning) set(c *chain, links []pxepilot.Link, n int, configuration string) {
	d := p.dirs[c.names[n].dir]
	if configuration != "" {
		key := memoKey{c.loader, c.names[n].dir, configuration}
		text, known := p.texts[key]
		if !known {
			text = p.confText(c.loader, d, configuration)
			p.texts[key] = text
		}
		p.put(c, links, n, text, true)
	} else {
		p.put(c, links, n, p.firstText(d, &c.names[0]), false)
	}
}

// put adds a step that gives the n-th link a text, or removes it where that is
// empty, unless it is so already.
func (p *planning) put(c *chain, links []pxepilot.Link, n int, becomes string, conf bool) {
	at := c.names[n].spot
	was, changed := p.now[at]
	if !changed {
		switch {
		case links[n].State == pxepilot.Unmanaged:
			was = text{is: notALink}
		case links[n].State != pxepilot.None:
			was = text{is: aLink, value: links[n].Target}
		}
	}
	if was.is != notALink && was.value == becomes {
		return
	}
	st := step{
		Step: pxepilot.Step{
			Host:       p.hostOf(at),
			Bootloader: p.root.loaders[c.loader].Name,
			Path:       c.names[n].path,
			Was:        was.value,
			Becomes:    becomes,
		},
		at:   at,
		file: was.is == notALink,
		conf: conf,
	}
	if st.file {
		st.Keep = st.Path + keepSuffix(p.dirs[at.dir], at.base, p.root.now())
	}
	p.now[at] = text{value: becomes}
	p.steps = append(p.steps, st)
}

func (p *planning) hostOf(at spot) string {
	i, _ := p.snap.bound.ownerOf(at)
	return p.snap.bound.hosts[i].host.Name
}

// keepSuffix names a file that is in the way of a link: by the time, and by a
// number where another one was put aside within the same second.
func keepSuffix(d *dir, base string, t time.Time) string {
	stamp := layout.KeepMark + strconv.FormatInt(t.Unix(), 10)
	suffix := stamp
	for n := 2; n <= layout.MaxKept; n++ {
		if _, err := kindOf(d, base+suffix); err != nil {
			break // it is free, or else whoever takes the step finds out
		}
		suffix = stamp + "-" + strconv.Itoa(n)
	}
	return suffix
}

// detach plans for the hosts that are not to be changed but whose links lead
// through names that will be: what is reached by them must not change. before
// comes before the plan, after behind it.
func (p *planning) detach(moved map[int]bool) (before, after []step) {
	d := detaching{before: p.session.planning(p.snap), after: p.session.planning(p.snap)}
	for i := range p.snap.view.Hosts {
		if p.snap.view.Hosts[i].State != pxepilot.Entangled || moved[i] {
			continue
		}
		if d.changed == nil {
			d.changed = p.changed()
		}
		p.chains(i, d.free)
	}
	return d.before.steps, d.after.steps
}

// changed finds, by path, the first step of every name that the plan changes:
// the one that tells what is there now.
func (p *planning) changed() map[string]*step {
	changed := make(map[string]*step, len(p.steps))
	for i := range p.steps {
		if st := &p.steps[i]; changed[st.Path] == nil {
			changed[st.Path] = st
		}
	}
	return changed
}

// detaching is one plan for the hosts that are not to be changed.
type detaching struct {
	changed       map[string]*step
	before, after *planning
}

func (d *detaching) free(c *chain, links []pxepilot.Link) {
	caught := make([]*step, len(links)) // the last name on a link's way that changes
	found := false
	for n := range links {
		for _, via := range links[n].Through {
			if st := d.changed[via]; st != nil {
				caught[n], found = st, true
			}
		}
	}
	if !found {
		return
	}
	if current := agreed(links); current != "" {
		d.before.deploy(c, links, current)
		return
	}
	for n, st := range caught {
		switch {
		case st == nil:
		case links[n].Configuration != "":
			d.before.set(c, links, n, links[n].Configuration)
		default:
			d.pin(c, links, n, st)
		}
	}
}

// pin makes a link that leads to no configuration by itself lead to where it
// ends now. One that ends nowhere is removed: it must not begin to lead
// somewhere.
func (d *detaching) pin(c *chain, links []pxepilot.Link, n int, through *step) {
	p := d.before
	at := c.names[n].dir
	w, err := p.walk(p.dirs[at].loc, links[n].Target)
	becomes := ""
	switch {
	case err == nil && through.file && w.at == p.locOf(through.at):
		p, becomes = d.after, p.textTo(at, p.locOf(spot{through.at.dir, path.Base(through.Keep)}))
	case err == nil:
		becomes = p.textTo(at, w.at)
	case errors.Is(err, errLeaves):
		becomes = w.outside
	case !leadsNowhere(err):
		return // nobody knows where it leads
	}
	p.put(c, links, n, becomes, false)
}

// public strips what only carrying out needs.
func public(steps []step) []pxepilot.Step {
	list := make([]pxepilot.Step, len(steps))
	for i := range steps {
		list[i] = steps[i].Step
	}
	return list
}

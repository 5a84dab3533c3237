package tftproot

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// Explain tells what hosts of an inventory will boot, in their order: what each
// loader asks for, what a TFTP server finds under that, and why it is not what was
// deployed, if so. It is all of one look, which changes nothing.
func (r *Root) Explain(ctx context.Context, inv *pxepilot.Inventory, hosts []*pxepilot.Host) ([]pxepilot.Explanation, error) {
	for try := 1; ; try++ {
		explained, steady, err := r.explain(ctx, inv, hosts)
		if err != nil || steady || try == explainTries {
			return explained, err
		}
	}
}

// explainTries is how often a link may be switched while it is explained.
const explainTries = 10

// explain says as well whether all links were as the view has them.
func (r *Root) explain(ctx context.Context, inv *pxepilot.Inventory, hosts []*pxepilot.Host) (explained []pxepilot.Explanation, steady bool, err error) {
	s, err := r.open()
	if err != nil {
		return nil, false, err
	}
	defer s.close()
	snap, err := func() (*snapshot, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.seeIn(s, inv)
	}()
	if err != nil {
		return nil, false, err
	}
	e := s.explainer(snap)
	explained = make([]pxepilot.Explanation, 0, len(hosts))
	for _, h := range hosts {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		one, err := e.host(h)
		if err != nil {
			return nil, false, err
		}
		explained = append(explained, one)
	}
	return explained, e.steady, nil
}

// An explainer explains any number of hosts, from one look.
type explainer struct {
	*session
	snap     *snapshot
	look     *look
	scripts  []scripted // per loader
	names    map[string]*names
	hosts    map[string]*pxepilot.Host // by what files may be named after; nil before it is needed
	unknown  map[*regexp.Regexp]answer // to asks of which a host does not tell what for
	contents map[string]content
	parts    map[variantName]*belongings
	steady   bool
}

func (s *session) explainer(snap *snapshot) *explainer {
	e := &explainer{
		session: s, snap: snap, look: newLook(s.trees[0].real), steady: true,
		names: map[string]*names{}, unknown: map[*regexp.Regexp]answer{}, contents: map[string]content{}, parts: map[variantName]*belongings{},
	}
	for l := range s.root.loaders {
		e.scripts = append(e.scripts, e.script(l))
	}
	return e
}

func (e *explainer) host(h *pxepilot.Host) (pxepilot.Explanation, error) {
	one := pxepilot.Explanation{Status: e.snap.view.Of(h)}
	if one.Status == nil {
		return one, fmt.Errorf("host %s is none of the inventory", pxepilot.Quote(h.Name))
	}
	bound := &e.snap.bound.hosts[e.snap.view.IndexOf(h)]
	runs := func(c chain) bool { return e.root.loaders[c.loader].RunsOn(h.Firmware) }
	some := slices.ContainsFunc(bound.chains, runs)
	for i := range bound.chains {
		if some && !runs(bound.chains[i]) {
			continue
		}
		for _, mac := range h.MACs {
			s, err := e.search(one.Status, &bound.chains[i], mac)
			if err != nil {
				return one, err
			}
			one.Searches = append(one.Searches, s)
		}
	}
	return one, nil
}

// An asking is the search of one loader by one network card, as it is explained.
type asking struct {
	pxepilot.Search
	loader int
	host   *pxepilot.Host
	status *pxepilot.HostStatus
	links  map[string]*pxepilot.Link // of the host, that this search may end at, by where they are
	sights []sight                   // per ask
	ifs    []string                  // per ask: what must be so for the machine to ask
	puzzle string                    // a command of its script of which nobody knows what it does; empty for none
	doubt  int                       // the first ask before Wins of which it is not sure whether the search ends there; -1 for none
	boots  string                    // the one configuration that the machine boots if it does; empty for none
}

func (e *explainer) search(status *pxepilot.HostStatus, c *chain, mac pxepilot.MAC) (pxepilot.Search, error) {
	loader := &e.root.loaders[c.loader]
	asks, err := loader.Search(status.Host, mac)
	if err != nil {
		return pxepilot.Search{}, err
	}
	a := &asking{
		Search: pxepilot.Search{Bootloader: loader.Name, MAC: mac, Source: loader.Source(), Naming: loader.Naming(), Wins: -1, InChroot: -1},
		doubt:  -1, loader: c.loader, host: status.Host, status: status, links: e.links(status, c, mac),
		sights: make([]sight, 0, len(asks)), ifs: make([]string, 0, len(asks)),
	}
	a.Asks = make([]pxepilot.Ask, 0, len(asks))
	script := &e.scripts[c.loader]
	if script.Script != nil && script.Needed {
		a.Setup = &pxepilot.Setup{Path: script.Path, Text: script.Text, Done: script.Path != "" && script.links}
	}
	leads := true
	if script.Script != nil && script.Path != "" {
		route := loader.Route(script.text, status.Host, mac)
		asks, leads = loader.Follow(asks, route, status.Host, mac)
		a.puzzle, a.Unsure = route.Doubt, route.Doubt != "" && len(route.Paths) == 0
	}
	locked := true // a server in a chroot got as far
	for _, want := range asks {
		one := e.ask(c.loader, want)
		if l := e.link(a, one.ask); l != nil && one.ask.Found == pxepilot.Unreadable { // the disk does not let one through to it
			one.ask.Configuration = l.Configuration
		}
		one.ask.Parts = e.partsOf(c.loader, &one.ask)
		a.Asks, a.sights, a.ifs = append(a.Asks, one.ask), append(a.sights, one.sight), append(a.ifs, want.If)
		at := len(a.Asks) - 1
		switch {
		case one.ask.Unknown:
			if one.either && a.Wins < 0 && a.doubt < 0 {
				a.doubt, a.boots = at, one.boots
			}
		case want.Leads && !leads:
			a.Asks[at].By = pxepilot.ByDefault
			a.wins(at, one.ask.Found.IsThere(), one.inChroot)
			return e.explained(a), nil
		case want.Leads:
			locked = one.inChroot
		default:
			a.wins(at, one.ask.Found.IsThere(), one.inChroot && locked)
		}
	}
	return e.explained(a), nil
}

// wins notes that the machine gets something at a step, if it did not before.
func (a *asking) wins(at int, free, inChroot bool) {
	if free && a.Wins < 0 {
		a.Wins = at
	}
	if inChroot && a.InChroot < 0 {
		a.InChroot = at
	}
}

// explained completes a search whose asks are all there.
func (e *explainer) explained(a *asking) pxepilot.Search {
	if a.Wins >= 0 {
		a.Configuration = a.Asks[a.Wins].Configuration
	}
	if a.Configuration != "" || a.Wins >= 0 && !e.root.loaders[a.loader].Directory {
		c := e.content(a.loader, a.sights[a.Wins].end)
		if a.Content = c.text; c.why != "" {
			a.Warnings = append(a.Warnings, "the content of "+shown(a.Asks[a.Wins].Path)+" is not shown: it "+c.why)
		}
	}
	a.Unsure = a.Unsure || a.puzzle != "" && a.Wins < 0 || a.doubt >= 0 && (a.boots == "" || a.boots != a.Configuration)
	if a.Unsure && a.puzzle != "" && a.Setup != nil {
		a.Setup.Done = false
	}
	e.reason(a)
	e.warn(a)
	return a.Search
}

// links finds those of the host's links that a search may end at. Where one is not
// as the view has it, it was switched in between.
func (e *explainer) links(status *pxepilot.HostStatus, c *chain, mac pxepilot.MAC) map[string]*pxepilot.Link {
	found := map[string]*pxepilot.Link{}
	for i := range status.Links {
		l := &status.Links[i]
		if l.Bootloader != e.root.loaders[c.loader].Name {
			continue
		}
		if n := e.look.at(e.look.place(l.Path)); n.text != l.Target {
			e.steady = false
		}
		if l.MAC == mac || l.MAC.IsZero() {
			found[e.look.place(l.Path)] = l
		}
	}
	return found
}

// An answer is what a TFTP server finds at one step.
type answer struct {
	ask      pxepilot.Ask
	sight    sight  // of what is found
	inChroot bool   // a server that is locked into the root finds something
	boots    string // the one configuration that it is, where either
	either   bool   // whether it is something depends on which of the paths the machine asks for
}

// ask tells what a TFTP server finds at one step of a loader. Where a host does not
// tell what the machine asks for, that is the same for all such hosts.
func (e *explainer) ask(l int, want layout.Ask) answer {
	if want.Match == nil {
		return e.answer(l, want, want.Paths)
	}
	one, known := e.unknown[want.Match]
	if !known {
		one = e.answer(l, want, e.nobodys(want))
		e.unknown[want.Match] = one
	}
	return one
}

func (e *explainer) answer(l int, want layout.Ask, paths []string) (one answer) {
	ask := &one.ask
	*ask = pxepilot.Ask{By: want.By, Paths: want.Paths, Pattern: want.Pattern, Unknown: want.Pattern != "", Found: pxepilot.Absent}
	if want.If != "" {
		ask.Note = "only if " + want.If
	}
	note := ask.Note
	if ask.Unknown {
		ask.Paths = nil
	}
	if one.either = !ask.Unknown && !e.sameEnds(l, paths); one.either {
		ask.Unknown, ask.Pattern, ask.Paths = true, want.Form, nil
	}
	var boots []string
	for _, p := range paths {
		s := e.look.find(p, false)
		locked := e.look.findLocked(p, s)
		if ask.Unknown && s.found != pxepilot.Absent {
			ask.Paths = append(ask.Paths, p)
		}
		if s.found == pxepilot.Readable {
			boots = append(boots, e.configuration(l, s))
		}
		empty := s.found == pxepilot.Readable && s.size == 0 && e.root.loaders[l].SkipsEmpty()
		one.inChroot = one.inChroot || locked.found == pxepilot.Readable && (locked.size > 0 || !e.root.loaders[l].SkipsEmpty())
		if s.found == pxepilot.Absent || ask.Found.IsThere() || ask.Path != "" && s.found != pxepilot.Readable {
			continue
		}
		one.sight, ask.Path, ask.Found = s, p, s.found
		ask.Note = cmp.Or(e.look.says(s, locked), note)
		switch {
		case empty:
			ask.Found, ask.Note = pxepilot.Empty, "it is empty"
		case s.found == pxepilot.Readable && (locked.found != pxepilot.Readable || locked.end != s.end):
			ask.Found = pxepilot.Unchrooted
		}
		ask.Configuration = e.configuration(l, s)
		ask.Through = e.through(p, s)
	}
	if boots = slices.Compact(boots); one.either && len(boots) == 1 {
		one.boots = boots[0]
	}
	return one
}

// sameEnds says whether a server gives the same file for all paths, or for none.
func (e *explainer) sameEnds(l int, paths []string) bool {
	ends := func(p string) (ends [2]string) {
		free := e.look.find(p, false)
		for i, s := range []sight{free, e.look.findLocked(p, free)} {
			if s.found == pxepilot.Readable && (s.size > 0 || !e.root.loaders[l].SkipsEmpty()) {
				ends[i] = s.end
			}
		}
		return ends
	}
	return len(paths) < 2 || !slices.ContainsFunc(paths[1:], func(p string) bool { return ends(p) != ends(paths[0]) })
}

// configuration is the one that a path went through.
func (e *explainer) configuration(l int, s sight) string {
	dir := e.onDiskReally(e.conf[l])
	for _, p := range s.passed {
		if path.Dir(p.path) == dir && e.snap.confs[l][path.Base(p.path)] && p.last != e.root.loaders[l].Directory {
			return path.Base(p.path)
		}
	}
	return ""
}

// through lists the links that a path led through, but itself, and what it ended at.
func (e *explainer) through(p string, s sight) []string {
	var list []string
	for _, via := range s.passed {
		if via.link && via.path != e.look.place(p) {
			list = append(list, e.look.below(via.path))
		}
	}
	if end := e.look.below(s.end); s.end != e.look.place(p) && !slices.Contains(list, end) && s.found.IsThere() {
		list = append(list, end)
	}
	return list
}

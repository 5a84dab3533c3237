package tftproot

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

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
	names    map[string][]string
	contents map[string]content
	uuids    map[string]*pxepilot.Host // by both forms
	ips      map[string]*pxepilot.Host // in hexadecimal
	steady   bool
}

func (s *session) explainer(snap *snapshot) *explainer {
	e := &explainer{
		session: s, snap: snap, look: newLook(s.trees[0].real), steady: true,
		names: map[string][]string{}, contents: map[string]content{}, uuids: map[string]*pxepilot.Host{}, ips: map[string]*pxepilot.Host{},
	}
	for _, h := range snap.view.Inventory.Hosts() {
		if !h.UUID.IsZero() {
			e.uuids[h.UUID.String()], e.uuids[h.UUID.Swapped().String()] = h, h
		}
		if digits, ok := layout.HexIP(h.IP); ok {
			e.ips[digits] = h
		}
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
	for i := range bound.chains {
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
	loader   int
	host     *pxepilot.Host
	status   *pxepilot.HostStatus
	links    map[string]*pxepilot.Link // of the host, that this search may end at, by where they are
	sights   []sight                   // per ask
	ifs      []string                  // per ask: what must be so for the machine to ask
	contents content
}

func (e *explainer) search(status *pxepilot.HostStatus, c *chain, mac pxepilot.MAC) (pxepilot.Search, error) {
	loader := &e.root.loaders[c.loader]
	asks, err := loader.Search(status.Host, mac)
	if err != nil {
		return pxepilot.Search{}, err
	}
	a := &asking{
		Search: pxepilot.Search{Bootloader: loader.Name, MAC: mac, Source: loader.Source(), Wins: -1, InChroot: -1},
		loader: c.loader, host: status.Host, status: status, links: e.links(status, c, mac),
	}
	script := &e.scripts[c.loader]
	if script.Script != nil && script.Needed {
		a.Setup = &pxepilot.Setup{Path: script.Path, Text: script.Text, Done: script.Path != "" && script.links}
	}
	locked := true // a server in a chroot got as far
	for _, want := range asks {
		if want.By == pxepilot.ByDefault && !script.otherwise {
			continue // the script does not go on to that
		}
		ask, s, inChroot := e.ask(a, want)
		a.Asks, a.sights, a.ifs = append(a.Asks, ask), append(a.sights, s), append(a.ifs, want.If)
		at := len(a.Asks) - 1
		switch {
		case ask.Unknown:
		case want.Leads && !script.links:
			a.Asks[at].By = pxepilot.ByDefault
			a.wins(at, ask.Found.IsThere(), inChroot)
			return e.explained(a), nil
		case want.Leads:
			locked = inChroot
		default:
			a.wins(at, ask.Found.IsThere(), inChroot && locked)
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
		a.contents = e.content(a.loader, a.sights[a.Wins].end)
		a.Content = a.contents.text
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

// ask tells what a TFTP server finds at one step, and whether one finds it that is
// locked into the root.
func (e *explainer) ask(a *asking, want layout.Ask) (ask pxepilot.Ask, first sight, inChroot bool) {
	ask = pxepilot.Ask{By: want.By, Paths: want.Paths, Pattern: want.Pattern, Unknown: want.Pattern != "", Found: pxepilot.Absent}
	paths := want.Paths
	if want.Match != nil {
		paths = e.matching(path.Dir(want.Pattern), want, a.host)
	}
	if want.If != "" {
		ask.Note = "only if " + want.If
	}
	if ask.Unknown {
		ask.Paths = nil
	}
	for _, p := range paths {
		s := e.look.find(p, false)
		l := e.look.findLocked(p, s)
		if ask.Unknown && s.found != pxepilot.Absent {
			ask.Paths = append(ask.Paths, p)
		}
		empty := s.found == pxepilot.Readable && s.size == 0 && e.root.loaders[a.loader].SkipsEmpty()
		inChroot = inChroot || l.found == pxepilot.Readable && (l.size > 0 || !e.root.loaders[a.loader].SkipsEmpty())
		if s.found == pxepilot.Absent || ask.Found.IsThere() || ask.Path != "" && (empty || s.found != pxepilot.Readable) {
			continue
		}
		first, ask.Path, ask.Found = s, p, s.found
		switch {
		case empty:
			ask.Found, ask.Note = pxepilot.Empty, "it is empty"
		case s.found == pxepilot.Readable && (l.found != pxepilot.Readable || l.end != s.end):
			ask.Found = pxepilot.Unchrooted
		}
		ask.Note = cmp.Or(e.look.says(s, l), ask.Note)
		ask.Configuration = e.configuration(a.loader, s)
		ask.Through = e.through(p, s)
	}
	return ask, first, inChroot
}

// matching lists the names in a directory that an ask may be for: those that are
// not named after another host.
func (e *explainer) matching(dir string, want layout.Ask, h *pxepilot.Host) []string {
	var paths []string
	for _, n := range e.list(dir) {
		if !want.Match.MatchString(n) {
			continue
		}
		if other := e.named(n); other != nil && other != h {
			continue
		}
		paths = append(paths, path.Join(dir, n))
	}
	return paths
}

// list lists the names in a directory below the root, once.
func (e *explainer) list(dir string) []string {
	at := path.Dir(e.look.place(path.Join(dir, "x")))
	names, listed := e.names[at]
	if !listed {
		entries, _ := os.ReadDir(at) // what cannot be listed, a server does not get at
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		e.names[at] = names
	}
	return names
}

// named is the host whose UUID or IP address a name ends in, or nil.
func (e *explainer) named(base string) *pxepilot.Host {
	if h := e.uuids[layout.UUIDIn(base)]; h != nil {
		return h
	}
	return e.ips[base[strings.LastIndexByte(base, '-')+1:]]
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

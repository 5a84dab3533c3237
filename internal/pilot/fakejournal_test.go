package pilot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// A fakeJournal keeps its records in memory, which stands for a disk: what one
// pilot wrote the next one remembers.
type fakeJournal struct {
	entries  []pxepilot.Entry
	known    map[string]pxepilot.Boot
	contents map[string]string
	armings  map[string]pxepilot.Arming
	ended    map[string]pxepilot.Ended
	last     uint64 // generation
	writes   int

	fails      error           // of every call
	beforeNext func(int) error // called with the number of the write; may fail or panic
	afterNext  func(int)       // may panic
}

func newFakeJournal() *fakeJournal {
	return &fakeJournal{known: map[string]pxepilot.Boot{}, contents: map[string]string{}, armings: map[string]pxepilot.Arming{}, ended: map[string]pxepilot.Ended{}}
}

func (j *fakeJournal) Write(_ context.Context, r *pxepilot.Record) error {
	j.writes++
	if j.fails != nil {
		return j.fails
	}
	if j.beforeNext != nil {
		if err := j.beforeNext(j.writes); err != nil {
			return err
		}
	}
	for _, e := range r.New {
		e.ID = int64(len(j.entries) + 1)
		j.entries = append(j.entries, copied(e))
	}
	for _, e := range r.Finished {
		if was := j.entries[e.ID-1]; was.Result != pxepilot.UnderWay {
			return fmt.Errorf("entry %d is finished twice", e.ID)
		}
		j.entries[e.ID-1] = copied(e)
	}
	for _, host := range r.Disarmed {
		delete(j.armings, host)
	}
	j.last = max(j.last, r.Generation)
	for _, a := range r.Ended {
		j.ended[a.Host] = a
	}
	for i := range r.Armed {
		a := &r.Armed[i]
		for _, e := range r.New {
			for _, s := range e.Hosts {
				if s.Armed != nil && s.Armed.Generation == a.Generation && a.Entry == 0 {
					a.Entry = e.ID
				}
				if a.Failure != nil && a.Failure.Entry == 0 && e.What == pxepilot.Failed && s.Host == a.Host {
					a.Failure.Entry = e.ID
				}
			}
		}
		j.armings[a.Host] = *a
	}
	maps.Copy(j.known, r.Known)
	maps.DeleteFunc(j.known, func(_ string, b pxepilot.Boot) bool { return b == pxepilot.Boot{} })
	maps.Copy(j.contents, r.Contents)
	maps.DeleteFunc(j.contents, func(_, d string) bool { return d == "" })
	if j.afterNext != nil {
		j.afterNext(j.writes)
	}
	return nil
}

func copied(e *pxepilot.Entry) pxepilot.Entry {
	c := *e
	c.Hosts = slices.Clone(e.Hosts)
	return c
}

func (j *fakeJournal) Entries(_ context.Context, q pxepilot.Question) ([]pxepilot.Entry, error) {
	var found []pxepilot.Entry
	for _, e := range slices.Backward(j.entries) {
		about := slices.ContainsFunc(e.Hosts, func(s pxepilot.Switch) bool { return s.Host == q.Host })
		if (q.ID == 0 || e.ID == q.ID) && (q.Host == "" || about) && (q.Before == 0 || e.ID < q.Before) && (q.Most == 0 || len(found) < q.Most) {
			found = append(found, copied(&e))
			if last := &found[len(found)-1]; q.Hosts == 1 {
				last.Hosts = slices.DeleteFunc(last.Hosts, func(s pxepilot.Switch) bool { return s.Host != q.Host })
			}
		}
	}
	return found, j.fails
}

func (j *fakeJournal) Remember(context.Context) (*pxepilot.Memory, error) {
	m := &pxepilot.Memory{Known: maps.Clone(j.known), Contents: maps.Clone(j.contents), Generation: j.last}
	for _, host := range slices.Sorted(maps.Keys(j.armings)) {
		m.Armings = append(m.Armings, j.armings[host])
	}
	for _, a := range j.ended {
		m.Ended = append(m.Ended, a)
	}
	for i := range j.entries {
		if j.entries[i].Result == pxepilot.UnderWay {
			e := copied(&j.entries[i])
			m.UnderWay = append(m.UnderWay, &e)
		}
	}
	return m, j.fails
}

// told is the journal in a few words, an entry a line.
func (j *fakeJournal) told() []string {
	var list []string
	for i := range j.entries {
		e := &j.entries[i]
		line := fmt.Sprintf("%s by %s: %s", e.What, e.Actor, e.Result)
		for _, s := range e.Hosts {
			line += fmt.Sprintf(", %s %s>%s", s.Host, said(s.Before), said(s.After))
			if s.Result != "" {
				line += " " + string(s.Result)
			}
			if s.Armed != nil {
				line += fmt.Sprintf(" +%d", s.Armed.Generation)
			}
			if s.Ended != nil {
				line += fmt.Sprintf(" -%d", s.Ended.Generation)
			}
		}
		for _, more := range []string{e.Why, e.Error} {
			if more != "" {
				line += " (" + more + ")"
			}
		}
		if e.Loud {
			line += " !"
		}
		list = append(list, line)
	}
	return list
}

func said(b pxepilot.Boot) string {
	switch b.State {
	case pxepilot.Configured:
		return b.Configuration
	case pxepilot.Partial:
		return b.Configuration + " partly"
	}
	return string(b.State)
}

// linkRoot is a TFTP root in memory, which stands for a disk. A link's text is the
// name of a configuration, "file" for what is no link, or anything else.
type linkRoot struct {
	inv            *pxepilot.Inventory
	loaders        []string
	configurations map[string]map[string]string // name, loader: content
	links          map[string]string            // by path
	view           *pxepilot.View               // while nothing changed
	plan           []pxepilot.Step              // that is being carried out

	beforeStep func(int) error // may fail or panic
	refuse     func(pxepilot.Step) error
	stuck      bool // what was done cannot be undone at once
	lost       bool // nor ever
	fails      error
	rules      map[string]pxepilot.Rule
	mu         sync.Mutex // for who looks while others change
}

func linkPath(loader string, m pxepilot.MAC) string { return loader + "/" + m.String() }

func newLinkRoot(hosts ...string) *linkRoot {
	r := &linkRoot{loaders: []string{"pxelinux", "grub"}, links: map[string]string{}, configurations: map[string]map[string]string{}}
	for _, c := range []string{"local", "ubuntu", "debian"} {
		r.configurations[c] = map[string]string{"pxelinux": c, "grub": c}
	}
	r.configurations["bios-only"] = map[string]string{"pxelinux": "x"}
	r.describe(hosts...)
	return r
}

// describe has the file name these hosts, which have two MAC addresses each.
func (r *linkRoot) describe(names ...string) {
	var hosts []*pxepilot.Host
	for _, n := range names {
		h := &pxepilot.Host{Name: n}
		for card := range 2 {
			m := pxepilot.MAC{0: 2, 1: byte(card)}
			copy(m[2:], n)
			h.MACs = append(h.MACs, m)
		}
		hosts = append(hosts, h)
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		panic(err)
	}
	r.inv, r.view = inv, nil
}

func (r *linkRoot) site() *Site {
	return &Site{Inventory: r.inv, Root: r, Texts: r, Recover: r.Recover, Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}, Declared: true, Rules: r.rules}
}

// put is what somebody does by hand to the first link of a host.
func (r *linkRoot) put(host, text string) {
	r.set(linkPath(r.loaders[0], r.inv.ByName(host).MACs[0]), text)
}

func (r *linkRoot) set(path, text string) {
	r.view = nil
	if r.links[path] = text; text == "" {
		delete(r.links, path)
	}
}

func (r *linkRoot) View(context.Context, *pxepilot.Inventory) (*pxepilot.View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen()
}

func (r *linkRoot) seen() (*pxepilot.View, error) {
	if r.fails != nil {
		return nil, r.fails
	}
	if r.view != nil {
		return r.view, nil
	}
	var hosts []pxepilot.HostStatus
	for _, h := range r.inv.Hosts() {
		s := pxepilot.HostStatus{Host: h}
		for _, loader := range r.loaders {
			for _, m := range h.MACs {
				l := pxepilot.Link{Bootloader: loader, MAC: m, Path: linkPath(loader, m), Target: r.links[linkPath(loader, m)]}
				switch {
				case l.Target == "":
					l.State = pxepilot.None
				case l.Target == "file":
					l.State, l.Target = pxepilot.Unmanaged, ""
				case r.configurations[l.Target][loader] != "":
					l.State, l.Configuration = pxepilot.Configured, l.Target
				default:
					l.State = pxepilot.Dangling
				}
				s.Links = append(s.Links, l)
			}
		}
		s.State, s.Configuration = pxepilot.StateOf(s.Links)
		hosts = append(hosts, s)
	}
	var list []pxepilot.Configuration
	for _, name := range slices.Sorted(maps.Keys(r.configurations)) {
		c := pxepilot.Configuration{Name: name}
		for _, loader := range r.loaders {
			if r.configurations[name][loader] != "" {
				c.Bootloaders = append(c.Bootloaders, loader)
			}
		}
		list = append(list, c)
	}
	r.view = pxepilot.NewView(r.inv, hosts, list)
	return r.view, nil
}

func (r *linkRoot) Read(context.Context, string) ([]pxepilot.Variant, error) { return nil, r.fails }

func (r *linkRoot) Contents(_ context.Context, list []pxepilot.Configuration) (map[[2]string]string, error) {
	found := map[[2]string]string{}
	for _, c := range list {
		for _, loader := range c.Bootloaders {
			found[[2]string{c.Name, loader}] = r.configurations[c.Name][loader]
		}
	}
	return found, r.fails
}

// write changes the content of a configuration for all loaders; nothing removes it.
func (r *linkRoot) write(name, content string) {
	r.view = nil
	r.configurations[name] = map[string]string{"pxelinux": content, "grub": content}
	if content == "" {
		delete(r.configurations, name)
	}
}

// Recover goes forward, as the real one does.
func (r *linkRoot) Recover(context.Context) error {
	for _, st := range r.plan {
		if r.links[st.Path] == st.Was || r.links[st.Path] == "file" {
			r.set(st.Path, st.Becomes)
		}
	}
	r.plan = nil
	return r.fails
}

func (r *linkRoot) Change(ctx context.Context, _ *pxepilot.Inventory, dryRun bool,
	decide func(*pxepilot.View) ([]pxepilot.Move, error),
) ([]pxepilot.Step, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !dryRun {
		if err := r.Recover(ctx); err != nil {
			return nil, err
		}
	}
	view, err := r.seen()
	if err != nil {
		return nil, err
	}
	moves, err := decide(view)
	if err != nil {
		return nil, err
	}
	var steps []pxepilot.Step
	for _, m := range moves {
		name := m.Configuration
		if m.Want == pxepilot.Repair {
			name = view.Of(m.Host).Common()
		}
		for _, l := range view.Of(m.Host).Links {
			becomes := name
			if !slices.Contains(slices.Collect(maps.Keys(r.configurations[name])), l.Bootloader) {
				becomes = ""
			}
			if l.Target != becomes || l.State == pxepilot.Unmanaged {
				steps = append(steps, pxepilot.Step{Host: m.Host.Name, Bootloader: l.Bootloader, Path: l.Path, Was: l.Target, Becomes: becomes})
			}
		}
	}
	if dryRun {
		return steps, nil
	}
	r.plan = steps
	for i, st := range steps {
		if r.beforeStep != nil || r.refuse != nil {
			var err error
			if r.beforeStep != nil {
				err = r.beforeStep(i)
			}
			if r.refuse != nil && err == nil {
				err = r.refuse(st)
			}
			if err != nil {
				if r.stuck || r.lost {
					r.plan = nil
					for _, done := range steps[:i] { // which is taken back later, as the real one does
						if !r.lost {
							r.plan = append(r.plan, pxepilot.Step{Path: done.Path, Was: done.Becomes, Becomes: done.Was})
						}
					}
					return nil, pxepilot.Errorf(pxepilot.Internal, "%v; and undoing the change failed", err)
				}
				for _, done := range steps[:i] {
					r.set(done.Path, done.Was)
				}
				r.plan = nil
				return nil, pxepilot.Errorf(pxepilot.Unavailable, "%v; nothing was switched", err)
			}
		}
		r.set(st.Path, st.Becomes)
	}
	r.plan = nil
	return steps, nil
}

var errCut = errors.New("cut off")

// crashes calls do, which may be cut off by a panic of errCut.
func crashes(do func()) (cut bool) {
	defer func() {
		if r := recover(); r != nil {
			if err, ours := r.(error); !ours || !errors.Is(err, errCut) {
				panic(r)
			}
			cut = true
		}
	}()
	do()
	return false
}

// boots is what all hosts boot, in a few words.
func (r *linkRoot) boots() string {
	view, err := r.View(context.Background(), r.inv)
	if err != nil {
		return err.Error()
	}
	var list []string
	for i := range view.Hosts {
		list = append(list, view.Hosts[i].Host.Name+" "+said(bootOf(&view.Hosts[i])))
	}
	return strings.Join(list, ", ")
}

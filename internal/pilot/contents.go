package pilot

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// Texts tell whether the content of configurations changes.
type Texts interface {
	// Contents returns a digest of each configuration for each loader that it has
	// a variant for, by both names. It costs little where nothing changed.
	Contents(context.Context, []pxepilot.Configuration) (map[[2]string]string, error)
}

const contentKeySeparator = "\x00"

// contentsOf asks for the digests as the journal has them; nil where nobody can
// tell them.
func contentsOf(ctx context.Context, site *Site) (map[string]string, error) {
	if site.Texts == nil {
		return nil, nil
	}
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		return nil, err
	}
	found, err := site.Texts.Contents(ctx, view.Configurations)
	if err != nil {
		return nil, err
	}
	contents := make(map[string]string, len(found))
	for of, digest := range found {
		contents[of[0]+contentKeySeparator+of[1]] = digest
	}
	return contents, nil
}

// contentNews adds to a record what changed in configurations. Once that is
// written, noted is to be called. While the server runs, a content counts when two
// looks in a row see it, so that a file that is being written is not told of twice.
func (b *book) contentNews(record *pxepilot.Record, site *Site, view *pxepilot.View, now map[string]string) (noted func()) {
	if now == nil {
		return func() {}
	}
	first, started := len(b.contents) == 0, !b.watched
	seen := map[string]string{} // that the next look has to agree with
	edits := map[string]*edit{}
	record.Contents = map[string]string{}
	keys := maps.Clone(now)
	maps.Copy(keys, b.contents)
	for key := range keys {
		was, is := b.contents[key], now[key]
		name, loader, _ := strings.Cut(key, contentKeySeparator)
		before, agrees := b.changing[key]
		declared := slices.ContainsFunc(site.Bootloaders, func(l pxepilot.Bootloader) bool { return l.Name == loader })
		switch {
		case was == is:
			continue
		case first || !declared: // nothing to compare with, or nothing to tell
		case !started && (!agrees || before != is):
			seen[key] = is
			continue
		default:
			e := edits[name]
			if e == nil {
				e = &edit{}
				edits[name] = e
			}
			e.note(loader, was, is)
		}
		record.Contents[key] = is
	}
	b.users(edits, view)
	for _, name := range slices.Sorted(maps.Keys(edits)) {
		if e := edits[name]; len(e.hosts) > 0 || len(e.changed) > 0 {
			record.New = append(record.New, &pxepilot.Entry{
				At: b.now(), What: pxepilot.Content, Actor: Hand, Of: name, Why: e.sentence(site.Declared, started), Result: pxepilot.Done,
				Loud: len(e.hosts) > 0, Count: len(e.hosts), Hosts: e.hosts,
			})
		}
	}
	return func() { b.changing, b.watched = seen, true }
}

// An edit is what became of the content of one configuration.
type edit struct {
	added, changed, removed []string // loaders
	hosts                   []pxepilot.Switch
}

func (e *edit) note(loader, was, is string) {
	switch {
	case was == "":
		e.added = append(e.added, loader)
	case is == "":
		e.removed = append(e.removed, loader)
	default:
		e.changed = append(e.changed, loader)
	}
}

// users finds the hosts that use what was edited: whose links lead to it, or led
// to it when they were set.
func (b *book) users(edits map[string]*edit, view *pxepilot.View) {
	if len(edits) == 0 {
		return
	}
	now := b.see(view)
	for i := range view.Hosts {
		s := &view.Hosts[i]
		known := b.known[s.Host.Name]
		using := map[*edit]bool{}
		for l := range s.Links {
			link := &s.Links[l]
			if e := edits[link.Configuration]; e != nil && (slices.Contains(e.changed, link.Bootloader) || slices.Contains(e.added, link.Bootloader)) {
				using[e] = true
			}
			if e := edits[known.Configuration]; e != nil && link.State == pxepilot.Dangling && slices.Contains(e.removed, link.Bootloader) {
				using[e] = true
			}
		}
		for e := range using {
			e.hosts = append(e.hosts, pxepilot.Switch{Host: s.Host.Name, Before: cmp.Or(known, now[i]), After: now[i]})
		}
	}
}

// sentence tells what was edited, and for how many hosts.
func (e *edit) sentence(loaders, started bool) string {
	var parts []string
	for _, p := range []struct {
		what string
		of   []string
	}{{"added", e.added}, {"changed", e.changed}, {"removed", e.removed}} {
		switch {
		case len(p.of) == 0:
		case loaders:
			slices.Sort(p.of)
			parts = append(parts, p.what+" for "+strings.Join(p.of, " and "))
		default:
			parts = append(parts, p.what)
		}
	}
	text := strings.Join(parts, ", ")
	if started {
		text += " while the server was down"
	}
	switch n := len(e.hosts); n {
	case 0:
		return text + ", used by no host"
	case 1:
		return text + ", used by 1 host"
	default:
		return fmt.Sprintf("%s, used by %d hosts", text, n)
	}
}

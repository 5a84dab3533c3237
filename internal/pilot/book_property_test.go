package pilot

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestNothingIsLost: whatever pilots, hands, failing disks and crashes do in
// whatever order, the journal from its beginning tells how every host came to boot
// what it boots; each acknowledged change is in it once, done, and nothing is under
// way for ever.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		hosts := []string{"a", "b", "c"}
		s := newOnceSite(t, hosts...)
		acknowledged := map[int64]string{}
		full := pxepilot.Errorf(pxepilot.Unavailable, "full")
		configurations := rapid.SampledFrom([]string{"local", "ubuntu", "debian"})
		host := rapid.SampledFrom(hosts)
		some := rapid.SliceOfNDistinct(host, 1, 3, rapid.ID[string])
		// strike is when something goes wrong next, and what: nothing most of the time.
		strike := func() {
			n := rapid.IntRange(0, 14).Draw(r, "when")
			is := rapid.SampledFrom([]error{nil, nil, full, errCut}).Draw(r, "goes wrong")
			s.root.stuck = rapid.Bool().Draw(r, "stuck")
			count := 0
			hit := func() error {
				if count++; is == nil || count-1 != n {
					return nil
				}
				if errors.Is(is, errCut) {
					panic(is)
				}
				return is
			}
			s.root.beforeStep = func(int) error { return hit() }
			s.journal.beforeNext = func(int) error { return hit() }
			s.journal.afterNext = func(int) {
				if errors.Is(is, errCut) {
					_ = hit()
				}
			}
		}
		// revive is a server that starts after a crash, of itself or of its machine.
		revive := func() {
			s.root.beforeStep, s.journal.beforeNext, s.journal.afterNext = nil, nil, nil
			if rapid.Bool().Draw(r, "power cut") {
				s.clock.reboot(fmt.Sprint("boot ", s.clock.now.Wall))
			}
			s.start()
		}
		calm := func() { s.root.beforeStep, s.journal.beforeNext, s.journal.afterNext = nil, nil, nil }
		try := func(what string, do func() (*Outcome, error)) {
			strike()
			var out *Outcome
			var err error
			if crashes(func() { out, err = do() }) {
				revive()
			} else if err == nil {
				acknowledged[out.Entry] = what
			}
			calm()
		}
		r.Repeat(map[string]func(*rapid.T){
			"deploy": func(r *rapid.T) {
				c, on := configurations.Draw(r, "configuration"), some.Draw(r, "hosts")
				try(fmt.Sprintf("deploy %s %q", c, on), func() (*Outcome, error) {
					return s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: c, Hosts: named(on...), Force: true})
				})
			},
			"clear": func(r *rapid.T) {
				on := some.Draw(r, "hosts")
				try(fmt.Sprintf("clear %q", on), func() (*Outcome, error) {
					return s.Change(t.Context(), Change{Want: pxepilot.Clear, Hosts: named(on...), Force: true})
				})
			},
			"undo": func(r *rapid.T) {
				u := Undo{Force: rapid.Bool().Draw(r, "force"), Entry: rapid.Int64Range(0, int64(len(s.journal.entries))).Draw(r, "entry")}
				try(fmt.Sprintf("undo %+v", u), func() (*Outcome, error) { return s.Undo(t.Context(), u) })
			},
			"deploy once": func(r *rapid.T) {
				c, on := rapid.SampledFrom([]string{"ubuntu", "debian"}).Draw(r, "configuration"), some.Draw(r, "hosts")
				try(fmt.Sprintf("deploy %s once %q", c, on), func() (*Outcome, error) { return s.once(c, Once{Then: "local"}, on...) })
			},
			"done": func(r *rapid.T) {
				on, generation := host.Draw(r, "host"), rapid.Uint64Range(0, 4).Draw(r, "generation")
				armed := s.Armings().Of(on)
				strike()
				var err error
				if crashes(func() { err = s.done(on, generation) }) {
					revive()
				} else if err == nil {
					if now := s.Armings().Of(on); armed.Arming != nil && now.Arming != nil && now.Generation == armed.Generation {
						r.Fatalf("host %s was told that it is done, and is still armed", on)
					}
				}
				calm()
			},
			"failed": func(r *rapid.T) {
				on := host.Draw(r, "host")
				strike()
				if crashes(func() { _ = s.failed(on) }) {
					revive()
				}
				calm()
			},
			"disarm": func(r *rapid.T) {
				on := host.Draw(r, "host")
				strike()
				var err error
				if crashes(func() { _, err = s.Disarm(t.Context(), named(on), Actor{}) }) {
					revive()
				} else if a := s.Armings().Of(on); err == nil && a.Arming != nil {
					r.Fatalf("host %s was disarmed, and is armed: %+v", on, a.Arming)
				}
				calm()
			},
			"a host leaves the file for a while": func(r *rapid.T) {
				s.look() // what was done by hand is told
				if s.root.plan != nil {
					r.Skip("a change of it may be taken up while it is away")
				}
				gone := host.Draw(r, "host")
				s.root.describe(slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == gone })...)
				strike()
				if crashes(func() { s.look(); s.tick() }) {
					revive()
				}
				calm()
				s.look()
				if a := s.Armings().Of(gone); a.Arming != nil && a.Suspended == "" {
					r.Fatalf("host %s is gone and armed: %+v", gone, a.Arming)
				}
				s.root.describe(hosts...)
				s.look()
				if a := s.Armings().Of(gone); a.Arming != nil && a.Suspended != "" {
					r.Fatalf("host %s is back and suspended: %+v", gone, a.Arming)
				}
			},
			"time passes": func(r *rapid.T) {
				s.clock.pass(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 4 * time.Hour}).Draw(r, "time"))
				if rapid.IntRange(0, 4).Draw(r, "reboot") == 0 {
					s.clock.reboot(fmt.Sprint("boot ", s.clock.now.Wall))
					s.start()
				}
				strike()
				if crashes(func() { s.tick() }) {
					revive()
				}
				calm()
			},
			"a hand": func(r *rapid.T) {
				s.root.put(host.Draw(r, "host"), rapid.SampledFrom([]string{"", "local", "ubuntu", "file", "nowhere"}).Draw(r, "text"))
			},
			"a look": func(*rapid.T) {
				strike()
				if crashes(s.look) {
					revive()
				}
				calm()
			},
			"a restart": func(*rapid.T) { s.start() },
			"": func(r *rapid.T) {
				s.look()
				replays(r, s.bookSite, hosts)
				rearms(r, s)
				for id, what := range acknowledged {
					if id < 1 || id > int64(len(s.journal.entries)) || s.journal.entries[id-1].Result != pxepilot.Done {
						r.Fatalf("%s was acknowledged as entry %d:\n%q", what, id, s.journal.told())
					}
				}
			},
		})
	})
}

// replays looks whether the journal leads to what is there.
func replays(r *rapid.T, s *bookSite, hosts []string) {
	is := map[string]pxepilot.Boot{}
	for _, h := range hosts {
		is[h] = pxepilot.Boot{State: pxepilot.None}
	}
	for i := range s.journal.entries {
		e := &s.journal.entries[i]
		if e.Result == pxepilot.UnderWay {
			r.Fatalf("entry %d is under way for ever", e.ID)
		}
		for _, h := range e.Hosts {
			if !alike(h.Before, is[h.Host]) {
				r.Fatalf("entry %d: host %s was %s before, not %s:\n%q", e.ID, h.Host, said(is[h.Host]), said(h.Before), s.journal.told())
			}
			if came := cameOf(e, &h); came == pxepilot.Done || came == pxepilot.Unclear && h.After.Digest != "" {
				is[h.Host] = h.After
			}
		}
	}
	view, err := s.root.View(s.t.Context(), s.root.inv)
	if err != nil {
		r.Fatal(err)
	}
	for i := range view.Hosts {
		if h := view.Hosts[i].Host.Name; !alike(bootOf(&view.Hosts[i]), is[h]) {
			r.Fatalf("host %s is %s, but the journal says %s:\n%q", h, said(bootOf(&view.Hosts[i])), said(is[h]), s.journal.told())
		}
	}
}

// rearms looks whether the journal leads to what is armed, and that nothing else is
// booted once.
func rearms(r *rapid.T, s *onceSite) {
	is := map[string]uint64{}
	for i := range s.journal.entries {
		for _, h := range s.journal.entries[i].Hosts {
			came := cameOf(&s.journal.entries[i], &h)
			if h.Ended != nil {
				if is[h.Host] != h.Ended.Generation {
					r.Fatalf("generation %d of host %s ends twice, or never began:\n%q", h.Ended.Generation, h.Host, s.journal.told())
				}
				delete(is, h.Host)
			}
			if h.Armed != nil && (came == pxepilot.Done || came == pxepilot.Unclear) {
				is[h.Host] = h.Armed.Generation
			}
		}
	}
	v := s.Armings()
	for host, generation := range is {
		if a := v.Of(host); a.Arming == nil || a.Generation != generation {
			r.Fatalf("host %s is armed with %d by the journal, and is %+v:\n%q", host, generation, a.Arming, s.journal.told())
		}
	}
	if len(v.Armings) != len(is) || len(s.journal.armings) != len(is) {
		r.Fatalf("%d are armed, %d by the facts, %d by the entries:\n%q", len(v.Armings), len(s.journal.armings), len(is), s.journal.told())
	}
	view, err := s.root.View(s.t.Context(), s.root.inv)
	if err != nil {
		r.Fatal(err)
	}
	for _, host := range v.Hosts() {
		a, boot := v.Of(host), bootOf(view.Of(s.root.inv.ByName(host)))
		if boot.Configuration != a.Configuration && boot.State == pxepilot.Configured {
			r.Fatalf("host %s is armed for %s and boots %s:\n%q", host, a.Configuration, boot.Configuration, s.journal.told())
		}
	}
}

// TestUndoRestores: after the undo of a change every host boots what it did before,
// unless the undo is refused, and then nothing changed.
func TestUndoRestores(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		hosts := []string{"a", "b", "c"}
		s := newBookSite(t, hosts...)
		texts := rapid.SampledFrom([]string{"", "local", "ubuntu", "debian", "nowhere"})
		plain := true
		for _, h := range hosts {
			if rapid.Bool().Draw(r, "whole") {
				text := texts.Draw(r, "text")
				s.root.all(h, text)
				plain = plain && text != "nowhere"
				continue
			}
			plain = false
			for _, m := range s.root.inv.ByName(h).MACs {
				s.root.set(linkPath("grub", m), texts.Draw(r, "text"))
			}
		}
		s.look()
		was := s.root.boots()
		on := rapid.SliceOfNDistinct(rapid.SampledFrom(hosts), 1, 3, rapid.ID[string]).Draw(r, "hosts")
		c := Change{Want: pxepilot.Deploy, Configuration: rapid.SampledFrom([]string{"local", "bios-only"}).Draw(r, "configuration"), Hosts: named(on...), DropUncovered: true}
		if rapid.Bool().Draw(r, "clear") {
			c = Change{Want: pxepilot.Clear, Hosts: named(on...)}
		}
		out, err := s.Change(t.Context(), c)
		if err != nil {
			r.Fatal(err)
		}
		became := s.root.boots()
		switch _, err := s.Undo(t.Context(), Undo{Entry: out.Entry}); {
		case err == nil && s.root.boots() != was:
			r.Fatalf("it was %s, became %s, and is %s", was, became, s.root.boots())
		case err != nil && s.root.boots() != became:
			r.Fatalf("%v, but it is %s, not %s", err, s.root.boots(), became)
		case err != nil && plain && was != became:
			r.Fatalf("from %s to %s: %v", was, became, err)
		}
		if !slices.ContainsFunc(s.journal.entries, func(e pxepilot.Entry) bool { return e.ID == out.Entry }) {
			r.Fatal("the change is not in the journal")
		}
	})
}

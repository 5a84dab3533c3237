package neighbour

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// at is so many minutes past noon.
func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func open(t *testing.T, o Options) *Table {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return at(1000) }
	}
	table, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func bound(m pxepilot.MAC, minutes int, at_ ...string) Binding {
	return Binding{MAC: m, Addrs: addrs(at_...), Seen: at(minutes)}
}

func TestTable(t *testing.T) {
	type sightings []Binding
	for _, tt := range []struct {
		name  string
		calls []sightings
		want  []Binding
		news  []string // of the last call
	}{
		{name: "empty", calls: []sightings{{}}},
		{name: "bound", calls: []sightings{{bound(macA, 0, "10.0.0.5")}}, want: []Binding{bound(macA, 0, "10.0.0.5")}},
		{
			name:  "seen again",
			calls: []sightings{{bound(macA, 0, "10.0.0.5")}, {bound(macA, 9, "10.0.0.5")}},
			want:  []Binding{bound(macA, 9, "10.0.0.5")},
		},
		{
			name:  "moved",
			calls: []sightings{{bound(macA, 0, "10.0.0.5")}, {bound(macA, 9, "10.0.0.6")}},
			want:  []Binding{bound(macA, 9, "10.0.0.6")},
			news:  []string{"02:00:00:00:00:0a moved from 10.0.0.5 to 10.0.0.6"},
		},
		{
			name:  "an older sighting",
			calls: []sightings{{bound(macA, 9, "10.0.0.6")}, {bound(macA, 0, "10.0.0.5")}},
			want:  []Binding{bound(macA, 9, "10.0.0.6")},
		},
		{
			name:  "at two addresses at once",
			calls: []sightings{{bound(macA, 0, "10.0.0.6", "10.0.0.5", "10.0.0.6")}},
			want:  []Binding{bound(macA, 0, "10.0.0.6", "10.0.0.5")},
			news:  []string{"02:00:00:00:00:0a is at 2 addresses: 10.0.0.5, 10.0.0.6"},
		},
		{
			name:  "at two addresses at once, told one by one",
			calls: []sightings{{bound(macA, 0, "10.0.0.6")}, {bound(macA, 0, "10.0.0.5")}},
			want:  []Binding{bound(macA, 0, "10.0.0.6", "10.0.0.5")},
			news:  []string{"02:00:00:00:00:0a is at 2 addresses: 10.0.0.5, 10.0.0.6"},
		},
		{
			name:  "no longer at two addresses",
			calls: []sightings{{bound(macA, 0, "10.0.0.6", "10.0.0.5")}, {bound(macA, 9, "10.0.0.5")}},
			want:  []Binding{bound(macA, 9, "10.0.0.5")},
			news:  []string{"02:00:00:00:00:0a moved from 10.0.0.6, 10.0.0.5 to 10.0.0.5"},
		},
		{
			name:  "an address of two at once",
			calls: []sightings{{bound(macA, 0, "10.0.0.5"), bound(macB, 0, "10.0.0.5")}},
			want:  []Binding{bound(macA, 0, "10.0.0.5"), bound(macB, 0, "10.0.0.5")},
			news:  []string{"10.0.0.5 is claimed by 2 MAC addresses: 02:00:00:00:00:0a, 02:00:00:00:00:0b"},
		},
		{
			name: "an address of two at once, still",
			calls: []sightings{{bound(macA, 0, "10.0.0.5"), bound(macB, 0, "10.0.0.5")},
				{bound(macA, 9, "10.0.0.5"), bound(macB, 9, "10.0.0.5")}},
			want: []Binding{bound(macA, 9, "10.0.0.5"), bound(macB, 9, "10.0.0.5")},
			news: []string{"10.0.0.5 is claimed by 2 MAC addresses: 02:00:00:00:00:0a, 02:00:00:00:00:0b"},
		},
		{
			name:  "an address that another has since",
			calls: []sightings{{bound(macA, 0, "10.0.0.5")}, {bound(macB, 9, "10.0.0.5")}},
			want:  []Binding{bound(macB, 9, "10.0.0.5")},
			news:  []string{"02:00:00:00:00:0a is no longer at 10.0.0.5, where 02:00:00:00:00:0b is now"},
		},
		{
			name:  "an address that another had since",
			calls: []sightings{{bound(macB, 9, "10.0.0.5")}, {bound(macA, 0, "10.0.0.5")}},
			want:  []Binding{bound(macB, 9, "10.0.0.5")},
		},
		{
			name:  "two that swap their addresses",
			calls: []sightings{{bound(macA, 0, "10.0.0.5"), bound(macB, 0, "10.0.0.6")}, {bound(macA, 9, "10.0.0.6"), bound(macB, 9, "10.0.0.5")}},
			want:  []Binding{bound(macA, 9, "10.0.0.6"), bound(macB, 9, "10.0.0.5")},
			news: []string{"02:00:00:00:00:0a moved from 10.0.0.5 to 10.0.0.6",
				"02:00:00:00:00:0b moved from 10.0.0.6 to 10.0.0.5"},
		},
		{
			name:  "in the future",
			calls: []sightings{{bound(macA, 5000, "10.0.0.5")}},
			want:  []Binding{bound(macA, 1000, "10.0.0.5")},
		},
		{name: "nothing", calls: []sightings{{bound(macA, 0), bound(pxepilot.MAC{}, 0, "10.0.0.5"), {MAC: macB, Addrs: []netip.Addr{{}}, Seen: noon}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := open(t, Options{})
			var news News
			for _, call := range tt.calls {
				var err error
				if news, err = table.Bind(call...); err != nil {
					t.Fatal(err)
				}
			}
			var told []string
			for _, m := range news.Moves {
				told = append(told, m.String())
			}
			for _, c := range news.Conflicts {
				told = append(told, c.String())
			}
			if diff := cmp.Diff(tt.want, table.All(), byValue...) + cmp.Diff(tt.news, told); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(news.Conflicts, table.Conflicts(), byValue...); diff != "" {
				t.Error(diff)
			}
			for _, b := range tt.want {
				got, ok := table.Get(b.MAC)
				if diff := cmp.Diff(b, got, byValue...); !ok || diff != "" {
					t.Error(ok, diff)
				}
			}
			if _, ok := table.Get(macC); ok {
				t.Error("one is bound that was never seen")
			}
		})
	}
}

// The clock stood in the future when machines were seen: what is seen once it is
// right again counts.
func TestTableClockSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "addresses.json")
	now := at(5000)
	table := open(t, Options{Path: path, Now: func() time.Time { return now }})
	bind := func(table *Table, b Binding) {
		t.Helper()
		if _, err := table.Bind(b); err != nil {
			t.Fatal(err)
		}
		if got, _ := table.Get(b.MAC); !slices.Equal(got.Addrs, b.Addrs) {
			t.Errorf("got %v, want %v", got, b)
		}
	}
	bind(table, bound(macA, 5000, "10.0.0.5"))
	bind(table, bound(macB, 5000, "10.0.0.6"))
	now = at(10)
	bind(table, bound(macA, 9, "10.0.0.7"))
	again := open(t, Options{Path: path, Now: func() time.Time { return now }})
	bind(again, bound(macB, 2, "10.0.0.8"))
	bind(again, bound(macC, 1, "10.0.0.6"))
}

func TestTableSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "addresses.json")
	// What a crash left between writing and renaming.
	if err := os.WriteFile(path+".new", []byte("{half"), 0o644); err != nil {
		t.Fatal(err)
	}
	table := open(t, Options{Path: path})
	for _, b := range []Binding{
		bound(macA, 0, "10.0.0.5"), bound(macB, 1, "10.0.0.6", "10.0.0.7"), bound(macC, 2, "10.0.0.9"), bound(macA, 3, "10.0.0.8"),
		{MAC: macC, Addrs: addrs("10.0.0.10"), Seen: at(4).Add(123456789)},
	} {
		if _, err := table.Bind(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(table.All(), open(t, Options{Path: path}).All(), byValue...); diff != "" {
			t.Errorf("after a restart:\n%s", diff)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %q, %v", names, err)
	}
}

// Machines that are where they were are not written down all the time.
func TestTableSeenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "addresses.json")
	table := open(t, Options{Path: path})
	writes := 0
	for second := range 600 {
		before, _ := os.Stat(path)
		if _, err := table.Bind(Binding{MAC: macA, Addrs: addrs("10.0.0.5"), Seen: noon.Add(time.Duration(second) * time.Second)}); err != nil {
			t.Fatal(err)
		}
		if after, _ := os.Stat(path); !os.SameFile(before, after) {
			writes++
		}
	}
	if writes != 10 {
		t.Errorf("wrote %d times in ten minutes, want 10", writes)
	}
}

func TestTableDamaged(t *testing.T) {
	for name, data := range map[string]string{
		"empty":          "",
		"cut off":        `{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addr`,
		"no JSON":        "\x00\x01\x02",
		"another key":    `{"version":1,"bindings":[],"more":1}`,
		"something more": `{"version":1,"bindings":[]}{}`,
		"a newer one":    `{"version":2,"bindings":[]}`,
		"a bad MAC":      `{"version":1,"bindings":[{"mac":"nonsense","addresses":["10.0.0.5"],"seen":"2026-11-22T12:00:00Z"}]}`,
		"a bad address":  `{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addresses":["10.0.0"],"seen":"2026-11-22T12:00:00Z"}]}`,
		"no address":     `{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addresses":[],"seen":"2026-11-22T12:00:00Z"}]}`,
		"an empty one":   `{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addresses":[""],"seen":"2026-11-22T12:00:00Z"}]}`,
		"one twice": `{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addresses":["10.0.0.5"],"seen":"2026-11-22T12:00:00Z"},` +
			`{"mac":"02:00:00:00:00:0a","addresses":["10.0.0.6"],"seen":"2026-11-22T12:00:00Z"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "addresses.json")
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			var told []string
			table := open(t, Options{Path: path, Warn: func(s string) { told = append(told, s) }})
			if len(told) != 1 || !strings.Contains(told[0], path+" is damaged") || !strings.Contains(told[0], path+".corrupt") || strings.Contains(told[0], "\n") {
				t.Errorf("told %q", told)
			}
			if kept, err := os.ReadFile(path + ".corrupt"); err != nil || string(kept) != data {
				t.Errorf("kept %q, %v", kept, err)
			}
			if len(table.All()) != 0 {
				t.Errorf("it holds %v", table.All())
			}
			if _, err := table.Bind(bound(macA, 0, "10.0.0.5")); err != nil {
				t.Fatal(err)
			}
			if got := open(t, Options{Path: path}).All(); len(got) != 1 {
				t.Errorf("then it holds %v", got)
			}
		})
	}
}

func TestTableUnwritable(t *testing.T) {
	dir := t.TempDir()
	check := func(err error, path string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), path) || pxepilot.ErrorCode(err) != pxepilot.Unavailable || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	none := filepath.Join(dir, "none", "addresses.json")
	_, err := Open(Options{Path: none})
	check(err, none)
	_, err = Open(Options{Path: dir})
	check(err, dir)

	path := filepath.Join(dir, "sub", "addresses.json")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	table := open(t, Options{Path: path})
	if err := os.Remove(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	_, err = table.Bind(bound(macA, 0, "10.0.0.5"))
	check(err, path)
	if _, ok := table.Get(macA); !ok {
		t.Error("what could not be written down is not known either")
	}
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Bind(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, Options{Path: path}).All(); len(got) != 1 {
		t.Errorf("once the directory is back: %v", got)
	}
}

// Whatever is seen in whatever order: who was seen last at an address has it, a
// sighting never grows older, and a restart forgets nothing.
func TestTableProperties(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs))
		table := open(t, Options{Path: path})
		latest := -1
		for range rapid.IntRange(1, 12).Draw(r, "calls") {
			before := make(map[pxepilot.MAC]Binding)
			for _, b := range table.All() {
				before[b.MAC] = b
			}
			b := Binding{
				MAC:  pxepilot.MAC{2, 0, 0, 0, 0, byte(rapid.IntRange(1, 4).Draw(r, "mac"))},
				Seen: at(rapid.IntRange(0, 8).Draw(r, "minute")),
			}
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 2, rapid.ID[int]).Draw(r, "addresses") {
				b.Addrs = append(b.Addrs, toAddr(uint32(n)))
			}
			news, err := table.Bind(b)
			if err != nil {
				r.Fatal(err)
			}
			holders := make(map[netip.Addr][]Binding)
			for _, now := range table.All() {
				if was, ok := before[now.MAC]; ok && now.Seen.Before(was.Seen) {
					r.Fatalf("%v became %v", was, now)
				}
				for _, a := range now.Addrs {
					holders[a] = append(holders[a], now)
				}
			}
			for a, all := range holders {
				for _, h := range all {
					if !h.Seen.Equal(all[0].Seen) {
						r.Fatalf("%s is held by %v", a, all)
					}
				}
			}
			if minute := int(b.Seen.Sub(noon) / time.Minute); minute > latest {
				latest = minute
				if got, _ := table.Get(b.MAC); !slices.Equal(got.Addrs, b.Addrs) {
					r.Fatalf("the latest sighting %v became %v", b, got)
				}
				for _, a := range b.Addrs {
					if len(holders[a]) != 1 {
						r.Fatalf("%s, seen last at %v, is held by %v", a, b, holders[a])
					}
				}
			}
			after := make(map[pxepilot.MAC]bool)
			for _, m := range news.Moves {
				after[m.MAC] = true
			}
			for m, was := range before {
				now, _ := table.Get(m)
				lost := slices.ContainsFunc(was.Addrs, func(a netip.Addr) bool { return !slices.Contains(now.Addrs, a) })
				if lost != after[m] {
					r.Fatalf("%v became %v, and the moves told are %v", was, now, slices.Collect(maps.Keys(after)))
				}
			}
			if diff := cmp.Diff(table.All(), open(t, Options{Path: path}).All(), byValue...); diff != "" {
				r.Fatalf("after a restart:\n%s", diff)
			}
		}
	})
}

// Whatever stands in the file, it is read wholly or not at all, and what is read
// can be written and read again.
func FuzzTableFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"bindings":[{"mac":"02:00:00:00:00:0a","addresses":["10.0.0.5","10.0.0.6"],"seen":"2026-11-22T12:00:00Z"}]}`))
	f.Add([]byte(`{"version":1,"bindings":[]}`))
	f.Add([]byte(`{"version":1,"bindings":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bindings, err := parse(data)
		if err != nil {
			return
		}
		table := open(t, Options{})
		table.load(bindings)
		if _, err := table.Bind(bound(macA, 999, "10.0.0.5")); err != nil {
			t.Fatal(err)
		}
		again := open(t, Options{})
		written, err := encode(table.All())
		if err != nil {
			t.Fatal(err)
		}
		read, err := parse(written)
		if err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		again.load(read)
		if diff := cmp.Diff(table.All(), again.All(), byValue...); diff != "" {
			t.Error(diff)
		}
	})
}

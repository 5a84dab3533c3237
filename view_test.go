package pxepilot_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// link makes a link by its state; "a" and "b" are configured to lead there, and
// "a!" leads there through another host's.
func link(what string) pxepilot.Link {
	switch what {
	case "a", "b":
		return pxepilot.Link{State: pxepilot.Configured, Configuration: what}
	case "a!":
		return pxepilot.Link{State: pxepilot.Entangled, Configuration: "a"}
	}
	return pxepilot.Link{State: pxepilot.State(what)}
}

var kinds = []string{"a", "b", "none", "dangling", "foreign", "unmanaged", "entangled", "a!"}

// told is what the contract says of a set of links, in its own words.
func told(has map[string]bool) (pxepilot.State, string) {
	switch {
	case has["entangled"] || has["a!"]:
		return pxepilot.Entangled, ""
	case has["unmanaged"]:
		return pxepilot.Unmanaged, ""
	case has["foreign"]:
		return pxepilot.Foreign, ""
	case has["dangling"]:
		return pxepilot.Dangling, ""
	case has["a"] && has["b"]:
		return pxepilot.Mixed, ""
	case !has["a"] && !has["b"]:
		return pxepilot.None, ""
	case has["none"]:
		return pxepilot.Partial, ""
	case has["a"]:
		return pxepilot.Configured, "a"
	}
	return pxepilot.Configured, "b"
}

func TestStateOf(t *testing.T) {
	for _, tt := range []struct{ links, state, configuration string }{
		{"", "none", ""},
		{"none", "none", ""},
		{"none none", "none", ""},
		{"a", "configured", "a"},
		{"a a a", "configured", "a"},
		{"a none", "partial", ""},
		{"none a a", "partial", ""},
		{"a b", "mixed", ""},
		{"a b a", "mixed", ""},
		{"a none b", "mixed", ""},
		{"dangling", "dangling", ""},
		{"a dangling", "dangling", ""},
		{"none dangling", "dangling", ""},
		{"a b dangling", "dangling", ""},
		{"dangling foreign", "foreign", ""},
		{"foreign unmanaged", "unmanaged", ""},
		{"unmanaged a none", "unmanaged", ""},
		{"unmanaged entangled", "entangled", ""},
		{"a a!", "entangled", ""},
	} {
		var links []pxepilot.Link
		for _, what := range strings.Fields(tt.links) {
			links = append(links, link(what))
		}
		state, configuration := pxepilot.StateOf(links)
		if string(state) != tt.state || configuration != tt.configuration {
			t.Errorf("%s: %s %q, want %s %q", tt.links, state, configuration, tt.state, tt.configuration)
		}
	}
}

// Every combination of up to four links, and thus every order of them, too.
func TestStateOfEveryCombination(t *testing.T) {
	seen := 0
	var try func(links []pxepilot.Link, names []string)
	try = func(links []pxepilot.Link, names []string) {
		has := map[string]bool{}
		for _, n := range names {
			has[n] = true
		}
		wantState, wantConfiguration := told(has)
		if state, configuration := pxepilot.StateOf(links); state != wantState || configuration != wantConfiguration {
			t.Errorf("%v: %s %q, want %s %q", names, state, configuration, wantState, wantConfiguration)
		}
		seen++
		if len(links) == 4 {
			return
		}
		for _, k := range kinds {
			try(append(links[:len(links):len(links)], link(k)), append(names[:len(names):len(names)], k))
		}
	}
	try(nil, nil)
	if want := 1 + 8 + 8*8 + 8*8*8 + 8*8*8*8; seen != want {
		t.Errorf("tried %d combinations, want %d", seen, want)
	}
}

func TestStateOfMindsNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 12).Draw(t, "links")
		shuffled := rapid.Permutation(names).Draw(t, "shuffled")
		state := func(names []string) string {
			var links []pxepilot.Link
			for _, n := range names {
				links = append(links, link(n))
			}
			s, c := pxepilot.StateOf(links)
			return fmt.Sprint(s, " ", c)
		}
		if a, b := state(names), state(shuffled); a != b {
			t.Fatalf("%v is %s, but %v is %s", names, a, shuffled, b)
		}
	})
}

func TestView(t *testing.T) {
	h1 := &pxepilot.Host{Name: "h1", MACs: []pxepilot.MAC{{5: 1}}}
	h2 := &pxepilot.Host{Name: "h2", MACs: []pxepilot.MAC{{5: 2}}}
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{h1, h2})
	if err != nil {
		t.Fatal(err)
	}
	v := pxepilot.NewView(inv,
		[]pxepilot.HostStatus{{Host: h1, State: pxepilot.None}, {Host: h2, State: pxepilot.Configured, Configuration: "local"}},
		[]pxepilot.Configuration{{Name: "local", Bootloaders: []string{"grub", "ipxe"}}, {Name: "rescue", Bootloaders: []string{"ipxe"}}})
	if v.Of(h1) != &v.Hosts[0] || v.Of(h2) != &v.Hosts[1] {
		t.Error("Of does not find a host")
	}
	if s := v.Of(&pxepilot.Host{Name: "h1"}); s != nil {
		t.Errorf("a host of another inventory got the status of %s", s.Host.Name)
	}
	c, ok := v.Configuration("rescue")
	if !ok || c.Name != "rescue" || !c.Covers("ipxe") || c.Covers("grub") || c.Covers("") {
		t.Errorf("%+v, %t", c, ok)
	}
	if c, ok := v.Configuration("Local"); ok {
		t.Errorf("found %+v", c)
	}
}

func TestCommon(t *testing.T) {
	for want, whats := range map[string][]string{"": {"none", "dangling"}, "a": {"none", "a!", "a"}, "b": {"foreign", "b", "a"}} {
		var h pxepilot.HostStatus
		for _, what := range whats {
			h.Links = append(h.Links, link(what))
		}
		if got := h.Common(); got != want {
			t.Errorf("%v: %q, want %q", whats, got, want)
		}
	}
}

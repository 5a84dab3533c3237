package pilot

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// fakeRoot is a TFTP root in which everything is as it was told, and which notes
// what it is asked to do.
type fakeRoot struct {
	view     *pxepilot.View
	variants map[string][]pxepilot.Variant
	fails    error
	moves    []pxepilot.Move
	dryRun   bool
	changed  bool
}

func (r *fakeRoot) View(context.Context, *pxepilot.Inventory) (*pxepilot.View, error) {
	return r.view, r.fails
}

func (r *fakeRoot) Read(_ context.Context, name string) ([]pxepilot.Variant, error) {
	return r.variants[name], r.fails
}

func (r *fakeRoot) Change(_ context.Context, _ *pxepilot.Inventory, dryRun bool,
	decide func(*pxepilot.View) ([]pxepilot.Move, error)) ([]pxepilot.Step, error) {
	if r.fails != nil {
		return nil, r.fails
	}
	moves, err := decide(r.view)
	if err != nil {
		return nil, err
	}
	r.moves, r.dryRun, r.changed = moves, dryRun, true
	return []pxepilot.Step{{Path: "x"}}, nil
}

// links writes a host's links as "loader:state", where a state may be a
// configuration.
func links(s string) []pxepilot.Link {
	var list []pxepilot.Link
	for _, f := range strings.Fields(s) {
		loader, state, _ := strings.Cut(f, ":")
		l := pxepilot.Link{Bootloader: loader, Path: loader + "/link", State: pxepilot.State(state)}
		switch {
		case state == "directory":
			l.State, l.Obstacle = pxepilot.Unmanaged, "a directory"
		case strings.HasPrefix(state, "entangled="):
			l.State, l.Configuration = pxepilot.Entangled, strings.TrimPrefix(state, "entangled=")
		case state == "local", state == "ubuntu", state == "bios-only":
			l.State, l.Configuration = pxepilot.Configured, state
		}
		list = append(list, l)
	}
	return list
}

func newSite(t *testing.T) (*Pilot, *fakeRoot) {
	t.Helper()
	var hosts []*pxepilot.Host
	var seen []pxepilot.HostStatus
	for i, h := range []struct{ name, links string }{
		{"web1", "pxelinux:local pxelinux:local grub:local"},
		{"web2", "pxelinux:none pxelinux:none grub:none"},
		{"partial", "pxelinux:ubuntu pxelinux:none grub:none"},
		{"mixed", "pxelinux:local pxelinux:ubuntu"},
		{"stray", "pxelinux:local pxelinux:unmanaged"},
		{"dangling", "pxelinux:dangling pxelinux:local"},
		{"tied", "pxelinux:entangled=local"},
		{"bios", "pxelinux:local"},
		{"efi", "grub:none"},
		{"blocked", "pxelinux:local pxelinux:directory"},
		{"00:00:00:00:00:01", "pxelinux:local"}, // named like an address of web1
	} {
		host := &pxepilot.Host{Name: h.name, MACs: []pxepilot.MAC{{5: byte(i + 1)}, {4: 1, 5: byte(i + 1)}}}
		status := pxepilot.HostStatus{Host: host, Links: links(h.links)}
		status.State, status.Configuration = pxepilot.StateOf(status.Links)
		hosts, seen = append(hosts, host), append(seen, status)
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"pxelinux", "grub"}
	root := &fakeRoot{
		view: pxepilot.NewView(inv, seen, []pxepilot.Configuration{
			{Name: "bios-only", Bootloaders: []string{"pxelinux"}}, {Name: "local", Bootloaders: both}, {Name: "ubuntu", Bootloaders: both}}),
		variants: map[string][]pxepilot.Variant{
			"local":     {{Bootloader: "pxelinux", Content: "LOCALBOOT 0"}, {Bootloader: "grub", Content: "exit"}},
			"bios-only": {{Bootloader: "pxelinux", Content: "KERNEL x"}},
		},
	}
	site := &Site{Inventory: inv, Root: root, Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}, Declared: true}
	return New(func() *Site { return site }, func() error { return nil }, Options{}), root
}

func named(names ...string) []HostRef {
	refs := make([]HostRef, len(names))
	for i, n := range names {
		refs[i].Name = n
	}
	return refs
}

// told is the outcome of a change in a few words: each host with what it boots,
// or with "!" and the reason why it was refused.
func told(o *Outcome) []string {
	var list []string
	for _, r := range o.Hosts {
		if r.Refused != nil {
			list = append(list, r.Host+" ! "+r.Refused.Error())
		} else {
			list = append(list, strings.TrimSpace(r.Host+" "+r.Configuration))
		}
	}
	return list
}

func TestChange(t *testing.T) {
	const (
		deploy = pxepilot.Deploy
		clears = pxepilot.Clear
		repair = pxepilot.Repair
		stray  = `stray ! host "stray": pxelinux/link is not a link but somebody else's file; move it away, or have it kept beside with --force`
	)
	for _, tt := range []struct {
		name   string
		change Change
		want   []string
	}{
		{"deploy", Change{Want: deploy, Configuration: "ubuntu", Hosts: named("web2", "web1")}, []string{"web2 ubuntu", "web1 ubuntu"}},
		{"by address", Change{Want: deploy, Configuration: "ubuntu", Hosts: []HostRef{{MAC: "0000.0000.0002"}, {Name: "00-00-00-00-01-03"}}},
			[]string{"web2 ubuntu", "partial ubuntu"}},
		{"by both", Change{Want: deploy, Configuration: "local", Hosts: []HostRef{{Name: "web1", MAC: "00:00:00:00:01:01"}}}, []string{"web1 local"}},
		{"an exact name wins", Change{Want: clears, Hosts: named("00:00:00:00:00:01")}, []string{"00:00:00:00:00:01"}},
		{"whatever was there", Change{Want: deploy, Configuration: "local", Hosts: named("mixed", "dangling", "tied")},
			[]string{"mixed local", "dangling local", "tied local"}},
		{"a loader that does not count needs no variant", Change{Want: deploy, Configuration: "bios-only", Hosts: named("bios")}, []string{"bios bios-only"}},
		{"drop uncovered", Change{Want: deploy, Configuration: "bios-only", Hosts: named("web1"), DropUncovered: true}, []string{"web1 bios-only"}},
		{"force", Change{Want: deploy, Configuration: "local", Hosts: named("stray"), Force: true}, []string{"stray local"}},
		{"skip", Change{Want: deploy, Configuration: "local", Hosts: named("web1", "stray", "bios"), SkipRefused: true},
			[]string{"web1 local", stray, "bios local"}},
		{"skip what cannot be kept", Change{Want: deploy, Configuration: "local", Hosts: named("web1", "blocked", "stray"), SkipRefused: true, Force: true},
			[]string{"web1 local", `blocked ! host "blocked": pxelinux/link is a directory, which is not kept; move it away`, "stray local"}},
		{"clear", Change{Want: clears, Hosts: named("web1", "mixed", "dangling")}, []string{"web1", "mixed", "dangling"}},
		{"clear by force", Change{Want: clears, Hosts: named("stray"), Force: true}, []string{"stray"}},
		{"repair tells what boots in the end", Change{Want: repair, Hosts: named("web1", "partial", "tied", "web2")},
			[]string{"web1 local", "partial ubuntu", "tied local", "web2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, dryRun := range []bool{true, false} {
				p, root := newSite(t)
				tt.change.DryRun = dryRun
				out, err := p.Change(t.Context(), tt.change)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, told(out)); diff != "" {
					t.Error(diff)
				}
				if root.dryRun != dryRun || len(out.Steps) != 1 {
					t.Errorf("dry run %t, %d steps", root.dryRun, len(out.Steps))
				}
				// What is moved is what was not refused, in the same order.
				var want, got []string
				for _, r := range out.Hosts {
					if r.Refused == nil {
						want = append(want, r.Host)
					}
				}
				for _, m := range root.moves {
					got = append(got, m.Host.Name)
					if m.Want != tt.change.Want || m.Configuration != tt.change.Configuration {
						t.Errorf("%s: %+v", m.Host.Name, m)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestChangeAll(t *testing.T) {
	p, root := newSite(t)
	out, err := p.Change(t.Context(), Change{Want: pxepilot.Clear, All: true, Force: true, SkipRefused: true})
	if err != nil || len(out.Hosts) != 11 || len(root.moves) != 10 {
		t.Fatalf("%d hosts, %d moves, %v", len(out.Hosts), len(root.moves), err)
	}
}

func TestChangeRefuses(t *testing.T) {
	deploy := func(configuration string, hosts ...HostRef) Change {
		return Change{Want: pxepilot.Deploy, Configuration: configuration, Hosts: hosts}
	}
	repair := func(host string) Change { return Change{Want: pxepilot.Repair, Hosts: named(host)} }
	const force = "; move it away, or have it kept beside with --force"
	const blocked = `host "blocked": pxelinux/link is a directory, which is not kept; move it away`
	for _, tt := range []struct {
		change Change
		code   pxepilot.Code
		want   string
	}{
		{deploy("local"), pxepilot.Invalid, `no host was named; say for which hosts`},
		{deploy("local", HostRef{Name: "web1"}, HostRef{}), pxepilot.Invalid, `host 2 of the list has neither a name nor a mac_address`},
		{deploy("local", HostRef{MAC: "00:11"}), pxepilot.Invalid,
			`host 1 of the list: "00:11" is not a MAC address (want six pairs of hexadecimal digits such as 00:1a:2b:3c:4d:5e)`},
		{deploy("local", HostRef{Name: "../web1"}), pxepilot.Invalid, `host 1 of the list: the name "../web1" contains a slash`},
		{deploy("../local", HostRef{Name: "web1"}), pxepilot.Invalid, `configuration: the name "../local" contains a slash`},
		{deploy("", HostRef{Name: "web1"}), pxepilot.Invalid, `configuration: the name is empty`},
		{deploy("ubunut", HostRef{Name: "web1"}), pxepilot.NotFound, `configuration "ubunut" not found; did you mean ubuntu?`},
		{deploy("local", HostRef{Name: "wbe1"}), pxepilot.NotFound, `host "wbe1" not found; did you mean web1?`},
		{deploy("local", HostRef{MAC: "000000000099"}), pxepilot.NotFound, `no host has the MAC address 00:00:00:00:00:99`},
		{deploy("local", HostRef{Name: "web1"}, HostRef{MAC: "00:00:00:00:01:01"}), pxepilot.Conflict, `host "web1" is named twice`},
		{deploy("local", HostRef{Name: "web1", MAC: "00:00:00:00:00:02"}), pxepilot.Conflict,
			`host "web1" does not have the MAC address 00:00:00:00:00:02, which is host "web2"'s`},
		{Change{Want: pxepilot.Clear, All: true, Hosts: named("web1")}, pxepilot.Conflict, `all hosts are asked for and some are named; leave one out`},
		{deploy("local", named("web1", "stray")...), pxepilot.Conflict, `host "stray": pxelinux/link is not a link but somebody else's file` + force},
		{Change{Want: pxepilot.Clear, Hosts: named("stray")}, pxepilot.Conflict, `host "stray": pxelinux/link is not a link but somebody else's file` + force},
		{Change{Want: pxepilot.Deploy, Configuration: "local", Hosts: named("blocked"), Force: true}, pxepilot.Conflict, blocked},
		{Change{Want: pxepilot.Clear, Hosts: named("blocked"), Force: true}, pxepilot.Conflict, blocked},
		{Change{Want: pxepilot.Clear, Hosts: named("blocked")}, pxepilot.Conflict, blocked},
		{deploy("bios-only", named("web1")...), pxepilot.Conflict,
			`host "web1": configuration "bios-only" has no variant for its loader grub, which would fall to its default; ` +
				`add the variant, list the host's bootloaders in the file, or accept it with --drop-uncovered`},
		{Change{Want: pxepilot.Deploy, Configuration: "bios-only", Hosts: named("efi"), DropUncovered: true}, pxepilot.Conflict,
			`host "efi": configuration "bios-only" has no variant for any of its loaders (grub)`},
		{Change{Want: pxepilot.Clear, Hosts: named("stray"), SkipRefused: true}, pxepilot.Conflict,
			`host "stray": pxelinux/link is not a link but somebody else's file` + force},
		{repair("mixed"), pxepilot.Conflict, `host "mixed": its links lead to different configurations ("local" and "ubuntu"); deploy the one that is meant`},
		{repair("dangling"), pxepilot.Conflict,
			`host "dangling": pxelinux/link is dangling, so that nothing tells what it should boot; deploy a configuration to it`},
		{repair("stray"), pxepilot.Conflict,
			`host "stray": pxelinux/link is unmanaged, so that nothing tells what it should boot; deploy a configuration to it`},
	} {
		p, root := newSite(t)
		out, err := p.Change(t.Context(), tt.change)
		if err == nil || err.Error() != tt.want || pxepilot.ErrorCode(err) != tt.code {
			t.Errorf("%s: %v\nwant %s: %s", pxepilot.ErrorCode(err), err, tt.code, tt.want)
		}
		if out != nil || root.changed {
			t.Errorf("%s: something was done all the same", tt.want)
		}
	}
}

func TestManyRefusalsAreOneLine(t *testing.T) {
	p, _ := newSite(t)
	_, err := p.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "bios-only", Hosts: named("web1", "web2", "partial", "stray", "efi")})
	if got := pxepilot.ErrorMessage(err); strings.Count(got, "host ") != 3 || !strings.HasSuffix(got, "; and 2 more") || strings.Contains(got, "\n") {
		t.Errorf("%s", got)
	}
}

func TestHosts(t *testing.T) {
	p, root := newSite(t)
	view, err := p.Hosts(t.Context())
	if err != nil || view != root.view {
		t.Fatalf("%v, %v", view, err)
	}
	for _, ref := range []string{"web2", "00:00:00:00:00:02", "0000.0000.0102"} {
		s, err := p.Host(t.Context(), ref)
		if err != nil || s.Host.Name != "web2" || s.State != pxepilot.None {
			t.Errorf("Host(%q): %+v, %v", ref, s, err)
		}
	}
	for _, tt := range []struct {
		ref  string
		code pxepilot.Code
		want string
	}{
		{"web3", pxepilot.NotFound, `host "web3" not found; did you mean web1 or web2?`},
		{"a/b", pxepilot.Invalid, `host: the name "a/b" contains a slash`},
	} {
		if _, err := p.Host(t.Context(), tt.ref); pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.want {
			t.Errorf("Host(%q): %v, want %s", tt.ref, err, tt.want)
		}
	}
}

func TestConfigurations(t *testing.T) {
	p, root := newSite(t)
	list, err := p.Configurations(t.Context())
	if diff := cmp.Diff(root.view.Configurations, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, tt := range []struct {
		name, bootloader string
		want             []string
		code             pxepilot.Code
		message          string
	}{
		{"local", "", []string{"pxelinux", "grub"}, "", ""},
		{"local", "grub", []string{"grub"}, "", ""},
		{"bios-only", "grub", nil, pxepilot.NotFound, `configuration "bios-only" has no variant for bootloader "grub"`},
		{"bios-only", "pxelinx", nil, pxepilot.NotFound, `configuration "bios-only" has no variant for bootloader "pxelinx"; did you mean pxelinux?`},
		{"lokal", "", nil, pxepilot.NotFound, `configuration "lokal" not found; did you mean local?`},
		{"..", "", nil, pxepilot.Invalid, `configuration: the name ".." is a directory's`},
		// Listed by the view, and gone when it is read.
		{"ubuntu", "grub", nil, pxepilot.NotFound, `configuration "ubuntu" not found`},
	} {
		variants, err := p.Configuration(t.Context(), tt.name, tt.bootloader)
		var got []string
		for _, v := range variants {
			got = append(got, v.Bootloader)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.message {
			t.Errorf("Configuration(%q, %q): %v\n%s", tt.name, tt.bootloader, err, diff)
		}
	}
	if got, declared := p.Bootloaders(); len(got) != 2 || got[0].Name != "pxelinux" || !declared {
		t.Errorf("%v", got)
	}
}

func TestRootThatFails(t *testing.T) {
	p, root := newSite(t)
	root.fails = pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root is gone")
	_, hosts := p.Hosts(t.Context())
	_, host := p.Host(t.Context(), "web1")
	_, configurations := p.Configurations(t.Context())
	_, configuration := p.Configuration(t.Context(), "local", "")
	_, change := p.Change(t.Context(), Change{Want: pxepilot.Clear, All: true})
	for i, err := range []error{hosts, host, configurations, configuration, change, p.Health(t.Context()).Root} {
		if !errors.Is(err, root.fails) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestHealth(t *testing.T) {
	p, _ := newSite(t)
	if h := p.Health(t.Context()); h.Reload != nil || h.Root != nil {
		t.Errorf("%+v", h)
	}
	bad := errors.New("pxe-pilot.yml:3:5: unknown key")
	p = New(p.site, func() error { return bad }, Options{})
	if h := p.Health(t.Context()); !errors.Is(h.Reload, bad) || h.Root != nil {
		t.Errorf("%+v", h)
	}
}

package pilot

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// A shelf is files by path. The content of each names the loader and the
// configuration that it is, if any; one that begins with "->" is got by a link.
type shelf map[string]string

type readable struct{ *strings.Reader }

func (readable) Close() error { return nil }

func (s shelf) Open(_ context.Context, path string) (*pxepilot.File, error) {
	text, ok := s[path]
	if !ok {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "%s is not there", pxepilot.Quote(path))
	}
	if text == "closed" {
		return nil, pxepilot.Errorf(pxepilot.Forbidden, "%s is closed", path)
	}
	f := &pxepilot.File{ReadSeekCloser: readable{strings.NewReader(text)}}
	if link, rest, ok := strings.Cut(text, "->"); ok {
		f.Links, text = []string{"x", link}, rest
	}
	f.Bootloader, f.Configuration, _ = strings.Cut(text, " ")
	return f, nil
}

func (s shelf) OpenClosed(ctx context.Context, path string) (*pxepilot.File, error) {
	return s.Open(ctx, path)
}

// newBootSite has hosts of one loader, of several with and without iPXE, of two
// cards, and one that boots a directory.
func newBootSite(t *testing.T) (*Pilot, *Site, shelf) {
	t.Helper()
	hosts := []*pxepilot.Host{
		{Name: "only", MACs: []pxepilot.MAC{{5: 1}}},
		{Name: "both", MACs: []pxepilot.MAC{{5: 2}, {5: 0x22}}},
		{Name: "grown", MACs: []pxepilot.MAC{{5: 3}}},
		{Name: "pi", MACs: []pxepilot.MAC{{5: 4}}},
		{Name: "none", MACs: []pxepilot.MAC{{5: 5}}},
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	var seen []pxepilot.HostStatus
	for i, loaders := range []string{"pxelinux", "pxelinux ipxe", "grub pxelinux", "rpi", ""} {
		s := pxepilot.HostStatus{Host: hosts[i]}
		for _, b := range strings.Fields(loaders) {
			for _, m := range hosts[i].MACs {
				l := pxepilot.Link{Bootloader: b, MAC: m, Path: b + "/" + m.Dashed()}
				if b == "rpi" {
					l.MAC, l.Path = pxepilot.MAC{}, "serial"
				}
				s.Links = append(s.Links, l)
			}
		}
		seen = append(seen, s)
	}
	files := shelf{}
	site := &Site{
		Inventory: inv,
		Bootloaders: []pxepilot.Bootloader{
			{Name: "pxelinux"}, {Name: "grub"}, {Name: "ipxe"}, {Name: "rpi", Kind: pxepilot.Directory},
		},
		Root:  &fakeRoot{view: pxepilot.NewView(inv, seen, nil)},
		Files: files,
	}
	return New(func() *Site { return site }, func() error { return nil }, Options{}), site, files
}

func TestBoot(t *testing.T) {
	p, _, files := newBootSite(t)
	files["pxelinux/00-00-00-00-00-01"] = "pxelinux local"
	files["ipxe/00-00-00-00-00-22"] = "ipxe installer"
	files["pxelinux/00-00-00-00-00-02"] = "grub other loader's"
	files["grub/00-00-00-00-00-03"] = "closed"
	for _, tt := range []struct{ mac, loader, want string }{
		{"00:00:00:00:00:01", "", "only pxelinux local"},
		{"00-00-00-00-00-01", "", "only pxelinux local"},
		{"000000000001", "pxelinux", "only pxelinux local"},
		{"0000.0000.0001", "", "only pxelinux local"},
		{"00:00:00:00:00:22", "", "both ipxe installer"},
		{"00:00:00:00:00:02", "pxelinux", "both pxelinux "},
		{"00:00:00:00:00:02", "", `not_found: host "both" has nothing to boot: "ipxe/00-00-00-00-00-02" is not there; deploy a configuration by 'pxe-pilot config deploy NAME both'`},
		{"00:00:00:00:00:03", "", `invalid: host "grown" boots by grub or pxelinux; say by which, such as ?bootloader=grub`},
		{"00:00:00:00:00:03", "grub", "forbidden: grub/00-00-00-00-00-03 is closed"},
		{"00:00:00:00:00:03", "ipxe", `not_found: host "grown" does not boot by bootloader "ipxe", but by grub or pxelinux`},
		{"00:00:00:00:00:03", "grup", `not_found: bootloader "grup" not found; did you mean grub?`},
		{"00:00:00:00:00:04", "", `not_found: host "pi" boots a whole directory by bootloader rpi, and no single file; ask for the files in it, /tftp/serial/...`},
		{"00:00:00:00:00:05", "", `not_found: host "none" boots by no bootloader; list one in its bootloaders in the configuration file`},
		{"00:00:00:00:00:09", "", `not_found: no host has the MAC address 00:00:00:00:00:09; add it to the mac_addresses of its host in the configuration file`},
		{"only", "", `invalid: "only" is not a MAC address (want six pairs of hexadecimal digits such as 00:1a:2b:3c:4d:5e)`},
	} {
		given, err := p.Boot(t.Context(), tt.mac, tt.loader)
		got := fmt.Sprintf("%s %s %s", given.Host, given.Bootloader, given.Configuration)
		if err != nil {
			got = fmt.Sprintf("%s: %v", pxepilot.ErrorCode(err), err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s: %s", tt.mac, tt.loader, diff)
		}
		if (given.File == nil) != (err != nil) || err != nil && strings.HasPrefix(err.Error(), "host ") && given.Host == "" {
			t.Errorf("%s: %+v, %v", tt.mac, given, err)
		}
	}
	p, site, _ := newBootSite(t)
	site.Root.(*fakeRoot).fails = pxepilot.Errorf(pxepilot.Unavailable, "not mounted")
	if given, err := p.Boot(t.Context(), "00:00:00:00:00:01", ""); pxepilot.ErrorCode(err) != pxepilot.Unavailable || given.Host != "only" {
		t.Errorf("%+v, %v", given, err)
	}
}

func TestFile(t *testing.T) {
	p, _, files := newBootSite(t)
	files["images/vmlinuz"] = "x"
	files["pxelinux/00-00-00-00-00-01"] = "pxelinux local"
	files["efi64/conf/00-00-00-00-00-02"] = "pxelinux/00-00-00-00-00-02->pxelinux local"
	files["serial/start4.elf"] = "rpi debian"
	files["conf/local"] = "pxelinux local"
	for _, tt := range []struct{ path, want string }{
		{"images/vmlinuz", "x by nobody"},
		{"conf/local", "pxelinux local by nobody"},
		{"pxelinux/00-00-00-00-00-01", "pxelinux local by only pxelinux local"},
		{"efi64/conf/00-00-00-00-00-02", "pxelinux/00-00-00-00-00-02->pxelinux local by both pxelinux local"},
		{"serial/start4.elf", "rpi debian by pi rpi debian"},
		{"//pxelinux//00-00-00-00-00-22", "not_found by both pxelinux"},
		{"serial/overlays/x", "not_found by pi rpi"},
		{"serial", "not_found by pi rpi"},
		{"serials", "not_found by nobody"},
		{"", "not_found by nobody"},
		{"..", "not_found by nobody"},
	} {
		given, err := p.File(t.Context(), tt.path)
		got := string(pxepilot.ErrorCode(err))
		if err == nil {
			text, _ := io.ReadAll(given.File)
			got = string(text)
		}
		by := strings.TrimSpace(given.Host + " " + given.Bootloader + " " + given.Configuration)
		if by == "" {
			by = "nobody"
		}
		if got += " by " + by; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.path, got, tt.want)
		}
	}
	// A site whose links cannot be seen gives its files all the same.
	p, site, files := newBootSite(t)
	files["images/vmlinuz"] = "x"
	site.Root.(*fakeRoot).fails = pxepilot.Errorf(pxepilot.Unavailable, "no configurations")
	if given, err := p.File(t.Context(), "images/vmlinuz"); err != nil || given.Host != "" {
		t.Errorf("%+v, %v", given, err)
	}
}

// A link is told by the names of the inventory that is in force.
func TestFileAfterReload(t *testing.T) {
	p, site, files := newBootSite(t)
	files["pxelinux/00-00-00-00-00-01"] = "pxelinux local"
	look := func() string {
		given, err := p.File(t.Context(), "pxelinux/00-00-00-00-00-01")
		if err != nil {
			t.Fatal(err)
		}
		return given.Host
	}
	if got := look(); got != "only" {
		t.Errorf("before: %q", got)
	}
	h := &pxepilot.Host{Name: "renamed", MACs: []pxepilot.MAC{{5: 1}}}
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{h})
	if err != nil {
		t.Fatal(err)
	}
	site.Inventory = inv
	site.Root = &fakeRoot{view: pxepilot.NewView(inv, []pxepilot.HostStatus{
		{Host: h, Links: []pxepilot.Link{{Bootloader: "pxelinux", MAC: h.MACs[0], Path: "pxelinux/00-00-00-00-00-01"}}},
	}, nil)}
	if got := look(); got != "renamed" {
		t.Errorf("after: %q", got)
	}
}

func TestFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, site, _ := newBootSite(t)
		if f, ok := p.LastFetch("only"); ok {
			t.Errorf("before any: %+v", f)
		}
		began := time.Now()
		p.Fetched("only", Fetch{Path: "/boot/1", By: "10.0.0.1", Agent: "iPXE/1.0\x1b[2J\u202e\xff", Status: 200})
		<-time.After(time.Minute)
		p.Fetched("only", Fetch{Path: "/boot/" + strings.Repeat("é", 150), By: "10.0.0.1", Agent: strings.Repeat("x", 1000), Status: 404})
		p.Fetched("nobody", Fetch{Path: "/boot/9"})
		p.Fetched("pi", Fetch{Path: "/tftp/serial/start4.elf", Agent: "iPXE/1.0\x1b[2J\u202e\xff"})
		want := Fetch{At: began.Add(time.Minute), Path: "/boot/" + strings.Repeat("é", 97) + "...", By: "10.0.0.1", Agent: strings.Repeat("x", 200) + "...", Status: 404}
		if got, _ := p.LastFetch("only"); !cmp.Equal(want, got) {
			t.Error(cmp.Diff(want, got))
		}
		if got, _ := p.LastFetch("pi"); got.Agent != "iPXE/1.0?[2J??" {
			t.Errorf("%q", got.Agent)
		}
		if _, ok := p.LastFetch("nobody"); ok {
			t.Error("a host that is none was remembered")
		}
		// A reload keeps what is known of the hosts that stay, and no more.
		without := func(name string) {
			var hosts []*pxepilot.Host
			for _, h := range site.Inventory.Hosts() {
				if h.Name != name {
					again := *h
					hosts = append(hosts, &again)
				}
			}
			inv, err := pxepilot.NewInventory(hosts)
			if err != nil {
				t.Fatal(err)
			}
			site.Inventory = inv
		}
		whole := site.Inventory
		without("only")
		if _, ok := p.LastFetch("pi"); !ok {
			t.Error("a host that stays was forgotten")
		}
		site.Inventory = whole
		if _, ok := p.LastFetch("only"); ok || len(p.fetches.last) != 1 {
			t.Errorf("a host that went is remembered: %v", p.fetches.last)
		}
	})
}

func TestFetchesAtOnce(t *testing.T) {
	p, _, _ := newBootSite(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 100 {
				p.Fetched([]string{"only", "both", "nobody"}[n%3], Fetch{Status: 200 + i})
				if f, ok := p.LastFetch("only"); ok && f.Status < 200 {
					t.Error(f)
				}
			}
		})
	}
	wg.Wait()
}

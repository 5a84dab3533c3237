package config

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// large is a site of n hosts with two cards and a BMC, ten lines each.
func large(n int) []byte {
	var b bytes.Buffer
	b.WriteString("---\nhosts:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: host-%05d
    mac_addresses:
      - "52:54:00:%02x:%02[3]x:%02[4]x"
      - "52:54:01:%02[2]x:%02[3]x:%02[4]x"
    ipmi:
      mac_address: "52:54:02:%02[2]x:%02[3]x:%02[4]x"
      username: admin
      password: secret
      interface: lanplus
      subnets: "10.0.0.0/24"
`, i, i>>16, i>>8&255, i&255)
	}
	b.WriteString(site)
	return b.Bytes()
}

const whole = math.MaxInt / 2

// both loads a file in pieces of a few hosts, and as a whole, and fails where
// that differs.
func both(t *testing.T, path string, piece int) (*Config, error) {
	t.Helper()
	want, wantErr := load(path, whole, WithCommands(words))
	got, gotErr := load(path, piece, WithCommands(words))
	if d := cmp.Diff(fmt.Sprint(wantErr), fmt.Sprint(gotErr)); d != "" {
		t.Error("errors differ in pieces:", d)
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Error("differs in pieces:", d)
	}
	return want, wantErr
}

func TestPieces(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		cut  bool
	}{
		"indented":     {"hosts:\n  - name: a\n    mac_addresses:\n      - 525400000001\n  - {name: b, mac_addresses: [525400000002]}\n", true},
		"not indented": {"hosts:\n- name: a\n  mac_addresses:\n  - 525400000001\n- {name: b, mac_addresses: [525400000002]}\n", true},
		"dash alone":   {"hosts:\n  -\n    name: a\n    mac_addresses: [525400000001]\n  -\n    name: b\n    mac_addresses: [525400000002]\n", true},
		"comments":     {"hosts: # all of them\n\n# first\n  # second\n  - name: a\n    mac_addresses: [525400000001]\n# third\n\n  - {name: b, mac_addresses: [525400000002]}\n", true},
		"wrong values": {"hosts:\n  - name: a\n    mac_addresses: [1]\n  - text\n  - {name: b, mac: c}\n", true},
		"no new line":  {site + "hosts:\n  - {name: a, mac_addresses: [525400000001]}\n  - {name: b, mac_addresses: [525400000002]}", true},
		"first":        {"hosts:\n  - {name: a, mac_addresses: [525400000001]}\n  - {name: a, mac_addresses: [525400000001]}\n", true},
		"alias within": {"hosts:\n  - {name: &a a, mac_addresses: [525400000001], serial: *a}\n  - {name: b, mac_addresses: [525400000002]}\n", true},

		"flow list":      {"hosts: [{name: a, mac_addresses: [525400000001]}]\n", false},
		"alias across":   {"hosts:\n  - {name: &a a, mac_addresses: [525400000001]}\n  - {name: b, mac_addresses: [525400000002], serial: *a}\n", false},
		"dedented":       {"hosts:\n    - name: a\n      mac_addresses: [525400000001]\n  - name: b\n", false},
		"key behind":     {"hosts:\n    - {name: a, mac_addresses: [525400000001]}\n  tftp: a\n", false},
		"broken":         {"hosts:\n  - name: \"a\n  - name: b\"\n", false},
		"list in quotes": {"server: {address: \"\nhosts:\n - a\n - b\n\"}\n", false},
		"two documents":  {"hosts:\n- {name: a, mac_addresses: [525400000001]}\n---\n", false},
		"CRLF":           {"hosts:\r\n- {name: a, mac_addresses: [525400000001]}\r\n", false},
		"anchored":       {"hosts: &a\n- {name: a, mac_addresses: [525400000001]}\n", false},
		"rebound": {"tftp: {root: &a /srv/tftp}\nhosts:\n- {name: &a /b, mac_addresses: [525400000001]}\n- {name: b, mac_addresses: [525400000002]}\n" +
			"configuration: {directory: *a}\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := tt.text
			if !strings.Contains(text, "tftp:") {
				text += site
			}
			path := write(t, "c.yml", text)
			both(t, path, 1)

			r := &reader{config: &Config{Path: path}, piece: 1}
			c, ok := cutHosts([]byte(text), r.piece)
			if ok {
				r.cut = &c
				if root, err := compose(c.rest); err == nil {
					r.budget = math.MaxInt
					r.object(root, "the file", r.site())
				}
			}
			if got := ok && c.done; got != tt.cut {
				t.Errorf("read in pieces: %v; want %v", got, tt.cut)
			}
		})
	}
}

func TestPiecesOfALargeSite(t *testing.T) {
	text := large(2000)
	path := write(t, "c.yml", string(text))
	c, err := both(t, path, pieceSize)
	if err != nil || len(c.Hosts) != 2000 {
		t.Fatal(err)
	}
	cut, ok := cutHosts(text, pieceSize)
	if !ok || len(cut.pieces) < 5 {
		t.Errorf("%d pieces, %v", len(cut.pieces), ok)
	}
	// An error far down has its place.
	path = write(t, "c.yml", strings.Replace(string(text), "name: host-01999", "nam: host-01999", 1))
	_, err = both(t, path, pieceSize)
	if want := `:19993:5: unknown key "nam"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
}

// Whatever lines follow one another, pieces read as the whole does.
func TestPiecesOfAnyLines(t *testing.T) {
	lines := []string{
		"hosts:", "hosts: # all", "hosts: |", "hosts: \"", "hosts: &a", "- name: a", "  - name: b", "  -", "- - a", "  mac_addresses: [525400000001]",
		"    mac_addresses: [525400000002]", "    mac_addresses:", "      - 525400000003", "- |", "  - >-", "    labels: {a: \"", "\"}", "  - {name: c,",
		"  mac_addresses: [525400000004]}", "  - [", "]", "    serial: &a x", "    serial: *a", "    <<: *a", "  - &a", "  - *a", "# a", "   # b", "", "  ", "---", "...",
		"tftp: {root: /srv/tftp}", "configuration: {directory: /srv/tftp/c}", "configuration: {directory: *a}", "server: {address: &a b}", "    text", "'", "  - '", "?", ": a", "\t- a", "%YAML 1.2",
	}
	path := write(t, "c.yml", "")
	rapid.Check(t, func(t2 *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(lines), 1, 16).Draw(t2, "lines"), "\n")
		if rapid.Bool().Draw(t2, "started") {
			text = site + "hosts:\n" + text
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t2.Fatal(err)
		}
		if both(t, path, 1); t.Failed() {
			t2.Fatal("differs")
		}
	})
}

func FuzzLoad(f *testing.F) {
	for _, path := range []string{"testdata/seed.yml", reference} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	cases, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range bytes.Split(cases, []byte("\n=== "))[1:] {
		_, c, _ = bytes.Cut(c, []byte("\n"))
		text, _, _ := bytes.Cut(c, []byte(">>>"))
		f.Add(text)
	}
	f.Add(large(3))
	f.Add([]byte("hosts:\n  - &a {name: a, mac_addresses: [525400000001]}\n  - {<<: *a, name: b}\n" + site))
	f.Add([]byte("hosts:\n  - {name: a, mac_addresses: [525400000001], redfish: {url: \"https://[fd00::1]:1\", username: a, password: b, insecure: true}}\n" +
		"  - {name: b, mac_addresses: [525400000002], management: {adapter: x, ip_address: 10.0.0.1, vars: [{name: a, value: b}]}}\n" +
		"  - {name: c, mac_addresses: [525400000003], wol: {broadcast: 10.0.0.255}}\n  - {name: d, mac_addresses: [525400000004], wol: true}\n" +
		"host_management_adapters:\n  - name: x\n    vars: [{name: c, value: d}]\n" +
		"    power_status: {cmd: \"{{.ip_address}} {{.a}}\", pattern_on: a, pattern_off: b, env: {A: \"{{.c}}\"}, stdin: a}\n" + site))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := both(t, write(t, "c.yml", string(text)), 8)
		if err == nil {
			holds(t, c)
		}
	})
}

// holds fails where a Config that was loaded breaks a promise.
func holds(t *testing.T, c *Config) {
	t.Helper()
	if _, err := pxepilot.NewInventory(c.Hosts); err != nil {
		t.Error(err)
	}
	declared := c.Configuration.Bootloaders
	if len(declared) == 0 {
		declared = []pxepilot.Bootloader{{Name: layout.Default}}
	}
	known := map[string]bool{}
	links := map[string]bool{}
	for _, b := range declared {
		l, err := layout.Compile(b)
		if err != nil || known[b.Name] || strings.HasPrefix(b.Name, ".") {
			t.Errorf("bootloader %q: %v", b.Name, err)
		}
		known[b.Name] = true
		for _, h := range c.Hosts {
			if !l.Counts(h) {
				continue
			}
			names, err := l.Names(h)
			if err != nil {
				t.Error(err)
			}
			for _, n := range names {
				if links[n.Path()] {
					t.Errorf("two links %q", n.Path())
				}
				links[n.Path()] = true
			}
		}
	}
	for _, h := range c.Hosts {
		for _, b := range h.Bootloaders {
			if !known[b] {
				t.Errorf("bootloader %q is not declared", b)
			}
		}
		drivers := 0
		if i := h.IPMI; i != nil {
			drivers++
			if sources(i.Credentials) > 1 || i.Port < 1 || i.Port > 65535 || i.Interface != "lanplus" || !slices.Contains([]int{-1, 3, 17}, i.CipherSuite) ||
				i.Hostname == "" && (i.MAC.IsZero() || len(i.Subnets) == 0) {
				t.Errorf("ipmi of %s: %+v", h.Name, i)
			}
		}
		if i := h.Redfish; i != nil {
			drivers++
			u, err := url.Parse(i.URL)
			if err != nil || u.Host == "" || u.Path != "" || u.User != nil || u.Scheme != "https" && !i.Insecure || sources(i.Credentials) > 1 ||
				i.CAFile != "" && i.Fingerprint != "" || i.Insecure && i.CAFile+i.Fingerprint != "" || len(i.Fingerprint)%64 != 0 {
				t.Errorf("redfish of %s: %+v, %v", h.Name, i, err)
			}
		}
		if i := h.Management; i != nil {
			drivers++
			named := func(a pxepilot.Adapter) bool { return a.Name == i.Adapter }
			if !slices.ContainsFunc(c.Adapters, named) || i.Address == "" && i.MAC.IsZero() != (len(i.Subnets) == 0) {
				t.Errorf("management of %s: %+v", h.Name, i)
			}
			unique(t, i.Vars)
		}
		if i := h.WakeOnLAN; i != nil {
			drivers++
			if i.Broadcast.IsValid() && i.Interface != "" {
				t.Errorf("wol of %s: %+v", h.Name, i)
			}
		}
		if drivers > 1 {
			t.Errorf("%s has %d drivers", h.Name, drivers)
		}
	}
	for i, a := range c.Adapters {
		unique(t, a.Vars)
		if a.Status.Line+a.On.Line+a.Off.Line+a.Reset.Line == "" || a.Status.Line != "" && (a.PatternOn == "" || a.PatternOff == "") ||
			slices.ContainsFunc(c.Adapters[:i], func(b pxepilot.Adapter) bool { return a.Name == b.Name }) {
			t.Errorf("adapter %+v", a)
		}
	}
	root, dir := c.TFTP.Root, c.Configuration.Directory
	if !strings.HasPrefix(root, "/") || !strings.HasPrefix(dir, "/") || root == dir ||
		!c.TFTP.AbsoluteLinks && !strings.HasPrefix(dir, strings.TrimSuffix(root, "/")+"/") {
		t.Errorf("root %q, directory %q", root, dir)
	}
	if c.Server.Port < 0 || c.Server.Port > 65535 {
		t.Errorf("port %d", c.Server.Port)
	}
}

// sources counts those of a password.
func sources(c pxepilot.Credentials) (told int) {
	for _, is := range []bool{c.Password.IsSet(), c.PasswordFile != "", c.PasswordEnv != ""} {
		if is {
			told++
		}
	}
	return told
}

func unique(t *testing.T, vars []pxepilot.Var) {
	t.Helper()
	for i, v := range vars {
		if !variable.MatchString(v.Name) || v.Name == addressVariable ||
			slices.ContainsFunc(vars[:i], func(w pxepilot.Var) bool { return w.Name == v.Name }) {
			t.Errorf("variables %+v", vars)
		}
	}
}

// BenchmarkLoad is most of a start: 10,000 hosts on 100,000 lines.
func BenchmarkLoad(b *testing.B) {
	path := write(b, "c.yml", string(large(10_000)))
	for name, piece := range map[string]int{"pieces": pieceSize, "whole": whole} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := load(path, piece); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

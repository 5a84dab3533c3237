package pxepilot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestParseUUID(t *testing.T) {
	want := pxepilot.UUID{0x44, 0x33, 0x22, 0x11, 0x66, 0x55, 0x88, 0x77, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00}
	const lower = "44332211-6655-8877-99aa-bbccddeeff00"
	for _, s := range []string{lower, strings.ToUpper(lower), "44332211-6655-8877-99AA-bbccddeeff00"} {
		got, err := pxepilot.ParseUUID(s)
		if err != nil || got != want || got.String() != lower {
			t.Errorf("ParseUUID(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "4433221166558877 99aabbccddeeff00", "44332211665588779", "44332211-6655-8877-99aa-bbccddeeff0",
		"44332211-6655-8877-99aa-bbccddeeff000", "44332211-6655-8877-99a-abbccddeeff00", "44332211-6655-8877-99aa-bbccddeeff0g",
		"{44332211-6655-8877-99aa-bbccddeeff00}", "44332211:6655:8877:99aa:bbccddeeff00", "-44332211-665-88-7799aa-bbccddeeff00",
		"44332211-6655-8877-99aa-bbccddeeffé", strings.Repeat("4", 10000),
	} {
		got, err := pxepilot.ParseUUID(s)
		if err == nil || got != (pxepilot.UUID{}) {
			t.Errorf("ParseUUID(%q) = %v, %v; want an error and nothing else", s, got, err)
		} else if want := pxepilot.Quote(s) + " is not a UUID (want 8-4-4-4-12 hexadecimal digits)"; err.Error() != want {
			t.Errorf("ParseUUID(%q) says %q", s, err)
		}
	}
	if want.IsZero() || !(pxepilot.UUID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestUUIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := pxepilot.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "u"))
		for _, s := range []string{u.String(), strings.ToUpper(u.String())} {
			if got, err := pxepilot.ParseUUID(s); err != nil || got != u {
				t.Fatalf("ParseUUID(%q) = %v, %v", s, got, err)
			}
		}
	})
}

func FuzzParseUUID(f *testing.F) {
	f.Add("44332211-6655-8877-99aa-bbccddeeff00")
	f.Add("44332211-6655-8877-99aa-bbccddeeffé")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := pxepilot.ParseUUID(s); err == nil && u.String() != strings.ToLower(s) {
			t.Errorf("ParseUUID(%q) = %v", s, u)
		}
	})
}

func TestInventory(t *testing.T) {
	m := func(last byte) pxepilot.MAC { return pxepilot.MAC{0, 0, 0, 0, 0, last} }
	h1 := &pxepilot.Host{Name: "h1", MACs: []pxepilot.MAC{m(1), m(2)}, IdentityMACs: []pxepilot.MAC{m(0xb1), m(0xb2)}}
	a := &pxepilot.Host{Name: "000000000002", MACs: []pxepilot.MAC{m(3)}} // named like an address of h1
	z := &pxepilot.Host{Name: "b", MACs: []pxepilot.MAC{m(0x2b)}}
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{h1, a, z})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ref  string
		want *pxepilot.Host
	}{
		{"h1", h1}, {"00:00:00:00:00:01", h1}, {"00-00-00-00-00-02", h1}, {"0000.0000.0002", h1},
		{"000000000002", a}, // an exact name wins
		{"000000000001", h1}, {"00:00:00:00:00:2B", z}, {"b", z},
		{"H1", nil}, {"", nil}, {"h2", nil}, {"00:00:00:00:00:04", nil},
		{"00:00:00:00:00:b1", nil}, // it does not boot with that one
	} {
		if got := inv.Find(tt.ref); got != tt.want {
			t.Errorf("Find(%q) = %v, want %v", tt.ref, got, tt.want)
		}
	}
	if inv.ByName("h1") != h1 || inv.ByName("00:00:00:00:00:01") != nil || inv.ByMAC(m(2)) != h1 || inv.ByMAC(m(4)) != nil {
		t.Error("ByName or ByMAC is wrong")
	}
	for last, want := range map[byte]*pxepilot.Host{1: h1, 2: h1, 0xb1: h1, 0xb2: h1, 3: a, 4: nil, 0: nil} {
		if got := inv.ByIdentity(m(last)); got != want {
			t.Errorf("ByIdentity(%s) = %v, want %v", m(last), got, want)
		}
	}
	if got := inv.Hosts(); !slices.Equal(got, []*pxepilot.Host{h1, a, z}) {
		t.Errorf("Hosts are not in the order of the file: %v", got)
	}
	if diff := cmp.Diff([]string{"000000000002", "b", "h1"}, inv.Names()); diff != "" {
		t.Error(diff)
	}
	empty, err := pxepilot.NewInventory(nil)
	if err != nil || empty.Find("h1") != nil || len(empty.Names()) != 0 {
		t.Errorf("an empty inventory: %v", err)
	}
}

func TestInventoryRefuses(t *testing.T) {
	host := func(name string, macs ...byte) *pxepilot.Host {
		h := &pxepilot.Host{Name: name}
		for _, m := range macs {
			h.MACs = append(h.MACs, pxepilot.MAC{5: m})
		}
		return h
	}
	speaks := func(h *pxepilot.Host, macs ...byte) *pxepilot.Host {
		for _, m := range macs {
			h.IdentityMACs = append(h.IdentityMACs, pxepilot.MAC{5: m})
		}
		return h
	}
	for _, tt := range []struct {
		hosts []*pxepilot.Host
		want  string
	}{
		{[]*pxepilot.Host{host("h1", 1), host("h1", 2)}, `two hosts are named "h1"`},
		{[]*pxepilot.Host{host("h1", 1), host("h2")}, `host "h2" has no MAC address`},
		{[]*pxepilot.Host{host("h1", 1, 2), host("h2", 3, 2)}, `hosts "h1" and "h2" share the MAC address 00:00:00:00:00:02`},
		{[]*pxepilot.Host{host("h1", 1, 2, 1)}, `host "h1" has the MAC address 00:00:00:00:00:01 twice`},
		{[]*pxepilot.Host{speaks(host("h1", 1), 2), host("h2", 2)}, `hosts "h2" and "h1" share the MAC address 00:00:00:00:00:02`},
		{[]*pxepilot.Host{speaks(host("h1", 1), 3), speaks(host("h2", 2), 3)}, `hosts "h1" and "h2" share the MAC address 00:00:00:00:00:03`},
		{[]*pxepilot.Host{speaks(host("h1", 1), 1)}, `host "h1" has the MAC address 00:00:00:00:00:01 twice`},
		{[]*pxepilot.Host{host("", 1)}, `host: the name is empty`},
		{[]*pxepilot.Host{host("a/b", 1)}, `host: the name "a/b" contains a slash`},
	} {
		inv, err := pxepilot.NewInventory(tt.hosts)
		if inv != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%v: %v, want %s", tt.hosts, err, tt.want)
		}
	}
}

package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// wireHost says in Go what hosts.go writes by hand.
func wireHost(s *pxepilot.HostStatus, power *pxepilot.PowerView) apiv1.Host {
	k, powered := power.Of(s.Host)
	h := apiv1.Host{Name: s.Host.Name, MACAddresses: []string{}, State: string(s.State), Canonical: s.Canonical, Links: []apiv1.Link{},
		Labels: s.Host.Labels, Bootloaders: s.Host.Bootloaders}
	for _, m := range s.Host.MACs {
		h.MACAddresses = append(h.MACAddresses, m.String())
	}
	if s.State == pxepilot.Configured {
		h.Configuration = &apiv1.ConfigurationRef{Name: s.Configuration}
	}
	for _, l := range s.Links {
		link := apiv1.Link{Bootloader: l.Bootloader, Path: l.Path, Target: l.Target, State: string(l.State), Configuration: l.Configuration, Through: l.Through}
		if !l.MAC.IsZero() {
			link.MACAddress = l.MAC.String()
		}
		h.Links = append(h.Links, link)
	}
	if s.Host.IPMI != nil {
		h.IPMI = &apiv1.IPMI{Hostname: s.Host.IPMI.Hostname}
		if h.IPMI.Hostname == "" {
			h.IPMI.Hostname = k.Address
		}
		if !s.Host.IPMI.MAC.IsZero() {
			h.IPMI.MACAddress = s.Host.IPMI.MAC.String()
		}
	}
	if powered {
		h.PowerState, h.PowerProblem = string(k.State), oneLine(k.Problem)
		if !k.At.IsZero() {
			h.PowerStateAt = k.At.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	return h
}

func TestHostsAsEncoded(t *testing.T) {
	word := rapid.OneOf(rapid.StringMatching(`[a-z0-9./-]{1,12}`), rapid.String(), rapid.Just("\xff\"<&>\\\x00\x7f\u2028é"))
	mac := rapid.Custom(func(t *rapid.T) (m pxepilot.MAC) {
		copy(m[:], rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "mac"))
		return m
	})
	some := func(t *rapid.T, name string) string {
		if rapid.Bool().Draw(t, name+"?") {
			return ""
		}
		return word.Draw(t, name)
	}
	link := rapid.Custom(func(t *rapid.T) pxepilot.Link {
		return pxepilot.Link{Bootloader: word.Draw(t, "loader"), MAC: mac.Draw(t, "mac"), Path: word.Draw(t, "path"), Target: some(t, "target"),
			State: rapid.SampledFrom(states).Draw(t, "state"), Configuration: some(t, "configuration"), Through: rapid.SliceOfN(word, 0, 2).Draw(t, "through")}
	})
	host := rapid.Custom(func(t *rapid.T) pxepilot.HostStatus {
		h := &pxepilot.Host{Name: word.Draw(t, "name"), MACs: rapid.SliceOfN(mac, 0, 3).Draw(t, "macs"),
			Labels: rapid.MapOfN(word, word, 0, 3).Draw(t, "labels"), Bootloaders: rapid.SliceOfN(word, 0, 2).Draw(t, "loaders")}
		if rapid.Bool().Draw(t, "ipmi?") {
			h.IPMI = &pxepilot.IPMI{Hostname: some(t, "hostname"), MAC: mac.Draw(t, "bmc"), Credentials: pxepilot.Credentials{Username: "user", Password: pxepilot.NewSecret("hunter2")}}
		}
		s := pxepilot.HostStatus{Host: h, State: rapid.SampledFrom(states).Draw(t, "state"), Canonical: rapid.Bool().Draw(t, "canonical"),
			Links: rapid.SliceOfN(link, 0, 3).Draw(t, "links")}
		if s.State == pxepilot.Configured {
			s.Configuration = word.Draw(t, "configuration")
		}
		return s
	})
	known := rapid.Custom(func(t *rapid.T) pxepilot.PowerKnowledge {
		k := pxepilot.PowerKnowledge{State: rapid.SampledFrom([]pxepilot.PowerState{pxepilot.PowerOn, pxepilot.PowerOff, pxepilot.PowerUnknown}).Draw(t, "power"),
			Address: some(t, "address"), Problem: some(t, "problem")}
		if rapid.Bool().Draw(t, "at?") {
			zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
			k.At = time.Unix(rapid.Int64Range(0, 1<<37).Draw(t, "at"), 999).In(zone)
		}
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfN(host, 0, 4).Draw(t, "hosts")
		var power *pxepilot.PowerView
		if rapid.Bool().Draw(t, "power?") {
			power = &pxepilot.PowerView{Hosts: map[string]pxepilot.PowerKnowledge{}}
			for i := range hosts {
				if rapid.Bool().Draw(t, "powered?") {
					power.Hosts[hosts[i].Host.Name] = known.Draw(t, "known")
				}
			}
		}
		want := []apiv1.Host{}
		for i := range hosts {
			want = append(want, wireHost(&hosts[i], power))
		}
		armed := &pxepilot.ArmedView{Armings: map[string]pxepilot.Armed{}}
		for i := range hosts {
			if rapid.Bool().Draw(t, "armed?") {
				name := hosts[i].Host.Name
				armed.Armings[name] = pxepilot.Armed{Arming: &pxepilot.Arming{Host: name, Generation: 7, Configuration: "ubuntu", Then: "local"}}
			}
		}
		for i := range want {
			if a := armed.Of(hosts[i].Host.Name); a.Arming != nil {
				told := arming("", a)
				want[i].Armed = &told
			}
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := appendHosts(nil, hosts, power, armed)
		if bytes.Contains(got, []byte("hunter2")) {
			t.Fatalf("a password: %s", got)
		}
		if diff := cmp.Diff(parsed(t, text), parsed(t, got)); diff != "" {
			t.Fatalf("encoding/json (-) and hosts.go (+):\n%s", diff)
		}
	})
}

func parsed(t *rapid.T, text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// The body is encoded once for a view of the links and of the power, and anew for
// other ones.
func TestBodyIsKept(t *testing.T) {
	one, other := largeView(3), largeView(3)
	nothing, on, off := (*pxepilot.PowerView)(nil), largePower(one, pxepilot.PowerOn), largePower(one, pxepilot.PowerOff)
	var h hostsBody
	first := h.of(one, on, nil)
	if again := h.of(one, on, nil); &again[0] != &first[0] {
		t.Error("encoded twice")
	}
	for _, views := range []encodedViews{{view: other, power: on}, {view: one, power: off}, {view: one, power: nothing}, {view: one, power: on, armed: &pxepilot.ArmedView{}}, {view: one, power: on}} {
		another := h.of(views.view, views.power, views.armed)
		if &another[0] == &first[0] || !bytes.Equal(another, append(appendHosts(nil, views.view.Hosts, views.power, views.armed), '\n')) {
			t.Error("not encoded anew")
		}
	}
	kept := slices.Clone(first)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			power := on
			if i%2 == 0 {
				power = largePower(one, pxepilot.PowerOn)
			}
			if !bytes.Equal(h.of(one, power, nil), kept) {
				t.Error("another body")
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(first, kept) {
		t.Error("a body changed that was given away")
	}
}

// largePower is what is known where all machines are in one state.
func largePower(view *pxepilot.View, state pxepilot.PowerState) *pxepilot.PowerView {
	v := &pxepilot.PowerView{Hosts: make(map[string]pxepilot.PowerKnowledge, len(view.Hosts))}
	for _, s := range view.Hosts {
		v.Hosts[s.Host.Name] = pxepilot.PowerKnowledge{State: state, At: time.Unix(1_800_000_000, 0), Address: "10.0.0.1"}
	}
	return v
}

// largeView is a site of n hosts with two MAC addresses and a BMC.
func largeView(n int) *pxepilot.View {
	var list []*pxepilot.Host
	var hosts []pxepilot.HostStatus
	for i := range n {
		a, b := pxepilot.MAC{0, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)}, pxepilot.MAC{0, 2, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		h := &pxepilot.Host{Name: fmt.Sprintf("host-%05d", i), MACs: []pxepilot.MAC{a, b}, IPMI: &pxepilot.IPMI{Hostname: fmt.Sprintf("bmc-%05d", i)}}
		first := "pxelinux.cfg/01-" + a.Dashed()
		list = append(list, h)
		hosts = append(hosts, pxepilot.HostStatus{Host: h, State: pxepilot.Configured, Configuration: "ubuntu-16.04", Canonical: true, Links: []pxepilot.Link{
			{Bootloader: "pxelinux", MAC: a, Path: first, Target: "conf/ubuntu-16.04", State: pxepilot.Configured, Configuration: "ubuntu-16.04", Canonical: true},
			{Bootloader: "pxelinux", MAC: b, Path: "pxelinux.cfg/01-" + b.Dashed(), Target: "01-" + a.Dashed(), State: pxepilot.Configured,
				Configuration: "ubuntu-16.04", Through: []string{first}, Canonical: true},
		}})
	}
	inv, err := pxepilot.NewInventory(list)
	if err != nil {
		panic(err)
	}
	return pxepilot.NewView(inv, hosts, []pxepilot.Configuration{{Name: "ubuntu-16.04", Bootloaders: []string{"pxelinux"}}})
}

// BenchmarkHosts measures the list of 10,000 hosts: what encoding it costs, by
// hand and by encoding/json, and what a client waits for where nothing changed.
func BenchmarkHosts(b *testing.B) {
	view := largeView(10_000)
	known := largePower(view, pxepilot.PowerOn)
	body := appendHosts(nil, view.Hosts, known, nil)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		var h hostsBody
		for b.Loop() {
			changed := *view
			h.of(&changed, known, nil)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			wire := make([]apiv1.Host, len(view.Hosts))
			for i := range view.Hosts {
				wire[i] = wireHost(&view.Hosts[i], known)
			}
			if _, err := json.Marshal(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		site := &pilot.Site{Inventory: view.Inventory, Root: &memory{t: b, view: view}}
		server := httptest.NewServer(New(pilot.New(func() *pilot.Site { return site }, func() error { return nil }, pilot.Options{Power: &machines{view: known}}), Options{}))
		defer server.Close()
		for b.Loop() {
			res, err := http.Get(server.URL + "/v1/hosts")
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(body)+1) {
				b.Fatal(n, err)
			}
			_ = res.Body.Close()
		}
	})
}

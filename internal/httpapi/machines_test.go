package httpapi

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// hush is in every secret of the powered site.
const hush = "hush-not-a-word"

// machines is a pilot.Power whose machines do at once what they are told, unless
// they fail.
type machines struct {
	mu    sync.Mutex
	view  *pxepilot.PowerView
	asked int // how often for the view
	state map[string]pxepilot.PowerState
	fails map[string]error
	wait  time.Duration // before each state
	done  []string
	at    string // where all BMCs are; each at its own address where empty
}

func (m *machines) Known(context.Context) *pxepilot.PowerView {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return m.view
}

func (m *machines) Address(h *pxepilot.Host) string {
	if h.IPMI == nil {
		return ""
	}
	if m.at != "" {
		return m.at
	}
	return "10.0.0." + fmt.Sprint(h.MACs[0][5])
}

func (m *machines) State(ctx context.Context, h *pxepilot.Host) (pxepilot.PowerState, error) {
	select {
	case <-time.After(m.wait):
	case <-ctx.Done():
		return pxepilot.PowerUnknown, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails[h.Name]; err != nil {
		return pxepilot.PowerUnknown, err
	}
	return m.state[h.Name], nil
}

func (m *machines) Do(_ context.Context, h *pxepilot.Host, a pxepilot.PowerAction) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = append(m.done, h.Name+" "+string(a))
	switch a {
	case pxepilot.ActionOn:
		m.state[h.Name] = pxepilot.PowerOn
	case pxepilot.ActionOff:
		m.state[h.Name] = pxepilot.PowerOff
	}
	return nil
}

func (m *machines) BootNext(_ context.Context, h *pxepilot.Host, d pxepilot.BootDevice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = append(m.done, h.Name+" next "+string(d))
	return nil
}

// A sweeper is a pilot.Discoverer that finds what a test sets.
type sweeper struct {
	subnets []pxepilot.SubnetSweep
	fails   error
	rate    int
	calls   int
	sweep   func(context.Context) // what it does meanwhile
}

func (s *sweeper) Discover(ctx context.Context, _ *pxepilot.Inventory, rate int, tell func(pxepilot.SweepProgress)) ([]pxepilot.SubnetSweep, error) {
	s.rate = rate
	s.calls++
	tell(pxepilot.SweepProgress{Asked: 100, Of: 254, Found: 1, Wanted: 3})
	if s.sweep != nil {
		s.sweep(ctx)
	}
	return s.subnets, s.fails
}

// newPowered is a site whose hosts are driven in every way: h1 (off) by an IPMI
// hostname, h2 (on) by a MAC address, h3 by nothing, h4 (silent) by Redfish and h5
// (off) by commands. All have secrets that tests look for.
func newPowered(t testing.TB) (*lab, *memory, *machines, *sweeper) {
	t.Helper()
	secret := pxepilot.NewSecret(hush)
	credentials := pxepilot.Credentials{Username: hush, Password: secret, PasswordFile: "/" + hush, PasswordEnv: hush}
	hosts := []*pxepilot.Host{
		{Name: "h1", IPMI: &pxepilot.IPMI{Hostname: "bmc-1.example", Credentials: credentials}},
		{Name: "h2", IPMI: &pxepilot.IPMI{MAC: pxepilot.MAC{5: 0xa2}, Credentials: credentials}},
		{Name: "h3"},
		{Name: "h4", Redfish: &pxepilot.Redfish{URL: "https://10.0.0.4", Credentials: credentials}},
		{Name: "h5", Management: &pxepilot.Management{Adapter: "a", MAC: pxepilot.MAC{5: 0xa2}, Vars: []pxepilot.Var{{Name: "token", Value: secret}}}},
	}
	for i, h := range hosts {
		h.MACs = []pxepilot.MAC{{5: byte(i + 1)}}
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 16, 4, 5, 600, time.FixedZone("", 3600))
	silent := pxepilot.Errorf(pxepilot.Conflict, "host \"h4\": BMC 10.0.0.4: it does not answer;\nis it plugged in?").Because(context.DeadlineExceeded)
	m := &machines{
		view: &pxepilot.PowerView{Hosts: map[string]pxepilot.PowerKnowledge{
			hosts[0].Name: {State: pxepilot.PowerOff, At: at, Address: "10.0.0.1"},
			hosts[1].Name: {State: pxepilot.PowerOn, At: at, Address: "10.0.0.2"},
			hosts[3].Name: {State: pxepilot.PowerUnknown, At: at, Address: "10.0.0.4", Problem: silent.Message},
			hosts[4].Name: {State: pxepilot.PowerUnknown},
		}},
		state: map[string]pxepilot.PowerState{"h1": pxepilot.PowerOff, "h2": pxepilot.PowerOn, "h5": pxepilot.PowerOff},
		fails: map[string]error{"h4": silent},
	}
	root := &memory{
		t: t,
		variants: map[string][]pxepilot.Variant{
			"ubuntu-16.04": {{Bootloader: "pxelinux", Content: "DEFAULT ubuntu\n"}},
			"local":        {{Bootloader: "pxelinux", Content: "DEFAULT local\n"}},
		},
		loaders: []string{"pxelinux"},
		links:   map[string]string{"h1": "local", "h2": "local"},
	}
	s := &sweeper{}
	root.inv = inv
	site := &pilot.Site{Inventory: inv, Root: root, Files: root}
	p := pilot.New(func() *pilot.Site { return site }, func() error { return nil }, pilot.Options{Power: m, Discoverer: s})
	l := newLab(t, p)
	l.site = site
	return l, root, m, s
}

func subnet(s string, edit func(*pxepilot.SubnetSweep)) pxepilot.SubnetSweep {
	sweep := pxepilot.SubnetSweep{Subnet: netip.MustParsePrefix(s)}
	edit(&sweep)
	return sweep
}

package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// Hosts with the same BMC take turns, however the file writes where it is.
func TestWhichBMCAHostHas(t *testing.T) {
	mac := pxepilot.MAC{2, 0, 0, 0, 0, 0xa2}
	for _, tt := range []struct {
		name string
		host pxepilot.Host
		want string
	}{
		{"IPMI by name", pxepilot.Host{IPMI: &pxepilot.IPMI{Hostname: "BMC1.example"}}, "ipmi:bmc1.example:623"},
		{"IPMI by MAC", pxepilot.Host{IPMI: &pxepilot.IPMI{MAC: mac, Port: 6230}}, "ipmi:02:00:00:00:00:a2:6230"},
		{"Redfish", pxepilot.Host{Redfish: &pxepilot.Redfish{URL: "https://Chassis/", System: "1"}}, "redfish:https://chassis"},
		{"management by address", pxepilot.Host{Management: &pxepilot.Management{Address: "10.0.0.1"}}, "management:10.0.0.1"},
		{"management by MAC", pxepilot.Host{Management: &pxepilot.Management{MAC: mac}}, "management:02:00:00:00:00:a2"},
		{"management without an address", pxepilot.Host{Name: "h1", Management: &pxepilot.Management{}}, "host:h1"},
		{"Wake-on-LAN", pxepilot.Host{Name: "h1", WakeOnLAN: &pxepilot.WakeOnLAN{}}, "host:h1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&drivers{}).bmc(&tt.host); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What a request means is told from what is current by its adapter as well, while
// reloads put others there.
func TestAnotherAdapterIsAnotherKey(t *testing.T) {
	d := &drivers{}
	h := &pxepilot.Host{Name: "h1", Management: &pxepilot.Management{Adapter: "plug"}}
	load := func(line string) {
		all := map[string]pxepilot.Adapter{"plug": {Name: "plug", On: pxepilot.Command{Line: line}}}
		d.adapters.Store(&all)
	}
	load("plug on 1")
	before := d.key(h)
	reloaded := make(chan struct{})
	go func() {
		load("plug on 2")
		close(reloaded)
	}()
	_ = d.key(h)
	<-reloaded
	if d.key(h) == before {
		t.Error("the key does not depend on the adapter")
	}
}

// A renewed ca_file makes another driver, and a mere reload does not.
func TestKeyDependsOnTheContentOfTheCAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	h := &pxepilot.Host{Name: "h1", Redfish: &pxepilot.Redfish{URL: "https://bmc", CAFile: file}}
	d := &drivers{}
	key := func(content string) string {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		all := authorities([]*pxepilot.Host{h})
		d.authorities.Store(&all)
		return d.key(h)
	}
	first, again, renewed := key("old"), key("old"), key("new")
	if first != again || first == renewed {
		t.Error("the key does not follow the file")
	}
}

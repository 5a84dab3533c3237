package app

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/httpapi"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A machine is known by either of its addresses, whichever of them opened the
// connection, over TLS as well; and when the inventory has another host there, it is
// somebody else.
func TestCallers(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.Need(t, "ip")
	card, bridge := pxepilot.MAC{2, 0, 0, 0, 0, 1}, pxepilot.MAC{2, 0, 0, 0, 0, 2}
	one := []*pxepilot.Host{{Name: "h1", MACs: []pxepilot.MAC{card}, IdentityMACs: []pxepilot.MAC{bridge}}}
	two := []*pxepilot.Host{{Name: "h1", MACs: []pxepilot.MAC{card}}, {Name: "h2", MACs: []pxepilot.MAC{bridge}}}
	none := []*pxepilot.Host{}
	var inventory *pxepilot.Inventory

	lan := lantest.New(t)
	machine := lan.Wire("10.0.0.1/24").Machine(card, "10.0.0.5")
	var l net.Listener
	var conn net.Conn
	var err error
	lan.Do(func() { l, err = neighbour.Listen(t.Context(), "tcp", ":80") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{}}})
	machine.Dial("10.0.0.5", "10.0.0.1:80")
	var who httpapi.Caller
	lan.Do(func() {
		if conn, err = l.Accept(); err == nil {
			who = callers(func() *pxepilot.Inventory { return inventory })(conn)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	for _, tt := range []struct {
		answersTo pxepilot.MAC
		hosts     []*pxepilot.Host
		want      string // host, or a part of the error
	}{
		{card, one, "h1"},
		{bridge, one, "h1"},
		{card, two, "h1"},
		{bridge, two, "two machines have the address 10.0.0.5"},
		{card, none, "nobody"},
		{bridge, none, "two machines have the address 10.0.0.5"},
	} {
		lan.IP("neigh replace 10.0.0.5 dev near0 lladdr " + tt.answersTo.String() + " nud permanent")
		if inventory, err = pxepilot.NewInventory(tt.hosts); err != nil {
			t.Fatal(err)
		}
		var mac pxepilot.MAC
		lan.Do(func() { mac, err = who(t.Context()) })
		got := "nobody"
		switch h := inventory.ByIdentity(mac); {
		case err != nil:
			got = err.Error()
		case h != nil:
			got = h.Name
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("answers to %s: got %s, want %s", tt.answersTo, got, tt.want)
		}
	}
}

package pilot

import (
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestSpeaker(t *testing.T) {
	card, bond, other := pxepilot.MAC{5: 1}, pxepilot.MAC{5: 2}, pxepilot.MAC{5: 3}
	inv, err := pxepilot.NewInventory([]*pxepilot.Host{{Name: "h1", MACs: []pxepilot.MAC{card}, IdentityMACs: []pxepilot.MAC{bond}}})
	if err != nil {
		t.Fatal(err)
	}
	p := New(func() *Site { return &Site{Inventory: inv} }, nil, Options{})
	for _, m := range []pxepilot.MAC{card, bond} {
		if h, err := p.Speaker(m); err != nil || h.Name != "h1" {
			t.Errorf("%s: got %v, %v", m, h, err)
		}
	}
	h, err := p.Speaker(other)
	if h != nil || pxepilot.ErrorCode(err) != pxepilot.Forbidden || !strings.Contains(err.Error(), "came from 00:00:00:00:00:03") ||
		!strings.Contains(err.Error(), "identity_macs") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, %v", h, err)
	}
}

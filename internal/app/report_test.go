package app

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
)

// What may be wrong with a sweep's figures is no duplicate.
func TestNoteOfASweep(t *testing.T) {
	inv, err := pxepilot.NewInventory(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bmcs
	got := b.report(inv, neighbour.SubnetReport{Subnet: netip.MustParsePrefix("10.0.0.0/24"), Note: "the kernel's table is full"})
	if diff := cmp.Diff("the kernel's table is full", got.Note); diff != "" || len(got.Duplicates) > 0 {
		t.Errorf("duplicates %q, note\n%s", got.Duplicates, diff)
	}
}

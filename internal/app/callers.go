package app

import (
	"context"
	"net"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/httpapi"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
)

// callers notes of each connection what tells which machine is at its other end.
// One that has several MAC addresses is one machine by the inventory of then.
func callers(inventory func() *pxepilot.Inventory) func(net.Conn) httpapi.Caller {
	same := func(a, b pxepilot.MAC) bool {
		inv := inventory()
		host := inv.ByIdentity(a)
		return host != nil && host == inv.ByIdentity(b)
	}
	return func(c net.Conn) httpapi.Caller {
		noted := neighbour.Note(c)
		return func(ctx context.Context) (pxepilot.MAC, error) { return neighbour.Who(ctx, noted, same) }
	}
}

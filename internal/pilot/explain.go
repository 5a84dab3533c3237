package pilot

import (
	"context"

	"github.com/pxe-pilot/pxe-pilot"
)

// An Explainer tells what hosts will boot, as far as the disk tells.
type Explainer interface {
	// Explain tells it for hosts of an inventory, in their order, from one look.
	Explain(ctx context.Context, inv *pxepilot.Inventory, hosts []*pxepilot.Host) ([]pxepilot.Explanation, error)
}

// Explain tells what a host will boot, and why. To verify is to ask the TFTP
// servers as well; what they gave is in Servers of each search.
func (p *Pilot) Explain(ctx context.Context, ref string, verify bool) (*pxepilot.Explanation, error) {
	site := p.site()
	h, err := findHost(site.Inventory, ref)
	if err != nil {
		return nil, err
	}
	explained, err := p.explain(ctx, site, []*pxepilot.Host{h}, verify)
	if err != nil {
		return nil, err
	}
	return &explained[0], nil
}

// ExplainAll is Explain for every host, in the order of the inventory.
func (p *Pilot) ExplainAll(ctx context.Context, verify bool) ([]pxepilot.Explanation, error) {
	site := p.site()
	return p.explain(ctx, site, site.Inventory.Hosts(), verify)
}

func (p *Pilot) explain(ctx context.Context, site *Site, hosts []*pxepilot.Host, verify bool) ([]pxepilot.Explanation, error) {
	if !verify {
		return site.Explainer.Explain(ctx, site.Inventory, hosts)
	}
	if err := checkServers(site); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timing.Verification)
	defer cancel()
	return verified(ctx, site, hosts)
}

package pilot

import "github.com/pxe-pilot/pxe-pilot"

// Speaker is the host that speaks with a MAC address, which belongs to no other.
func (p *Pilot) Speaker(m pxepilot.MAC) (*pxepilot.Host, error) {
	if h := p.site().Inventory.ByIdentity(m); h != nil {
		return h, nil
	}
	return nil, pxepilot.Errorf(pxepilot.Forbidden, "the request came from %s, which is no host's MAC address; "+
		"if a host speaks with it (a bond, a bridge or another card), add it to the host's identity_macs in the configuration file; "+
		"if it is a container's, a proxy's or a router's (NAT), name the host in the URL (?host=NAME)", m)
}

package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/credential"
	"github.com/pxe-pilot/pxe-pilot/internal/power"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/wol"
)

// drivers makes the controllers of hosts: the one list of the protocols that
// there are.
type drivers struct {
	bmcs     *bmcs
	env      func(string) string
	adapters atomic.Pointer[map[string]pxepilot.Adapter] // requests look at them while a reload puts others here

	authorities atomic.Pointer[map[string]string] // digests of the files that Redfish services are believed by, likewise
}

// adapter is an adapter of the configuration file that is current.
func (d *drivers) adapter(name string) pxepilot.Adapter {
	all := d.adapters.Load()
	if all == nil {
		return pxepilot.Adapter{}
	}
	return (*all)[name]
}

// fleet makes the power of all machines. It has none before its first Update.
func (d *drivers) fleet() *power.Fleet {
	f := power.NewFleet(power.Options{Make: d.make, Key: d.key, Address: d.address, BMC: d.bmc})
	d.bmcs.moved = f.Forget
	return f
}

// make makes the controller of a host.
func (d *drivers) make(h *pxepilot.Host) (power.Controller, error) {
	switch {
	case h.IPMI != nil:
		return ipmi.New(ipmi.Options{
			Name:        h.Name,
			Address:     d.whereabouts(h.IPMI.Hostname, h.IPMI.MAC, h.IPMI.Subnets),
			Port:        h.IPMI.Port,
			User:        h.IPMI.Username,
			Password:    credential.Source(h.IPMI.Credentials, d.env),
			CipherSuite: h.IPMI.CipherSuite,
			Idle:        keepSession,
		}), nil
	case h.Redfish != nil:
		return redfish.New(redfish.Options{
			Name:        h.Name,
			URL:         h.Redfish.URL,
			Username:    h.Redfish.Username,
			Password:    credential.Source(h.Redfish.Credentials, d.env),
			System:      h.Redfish.System,
			CAFile:      h.Redfish.CAFile,
			Fingerprint: h.Redfish.Fingerprint,
			Insecure:    h.Redfish.Insecure,
		})
	case h.Management != nil:
		m := h.Management
		o := command.Options{Name: h.Name, Adapter: adapter(d.adapter(m.Adapter)), Vars: values(m.Vars)}
		if m.Address != "" || !m.MAC.IsZero() {
			o.Address = d.whereabouts(m.Address, m.MAC, m.Subnets)
		}
		return command.New(o)
	case h.WakeOnLAN != nil:
		o := wol.Options{Name: h.Name, MACs: h.MACs, Interface: h.WakeOnLAN.Interface}
		if h.WakeOnLAN.Broadcast.IsValid() {
			o.Broadcast = h.WakeOnLAN.Broadcast.String()
		}
		return wol.New(o)
	}
	return nil, nil
}

// keepSession is how long a session with a BMC is kept that nobody uses: BMCs end
// theirs after a minute (IPMI 2.0 section 6.12.15).
const keepSession = power.DefaultIdle

// whereabouts is where a BMC is: where the file says, or where its MAC was seen.
func (d *drivers) whereabouts(address string, mac pxepilot.MAC, subnets []netip.Prefix) func(context.Context) (string, error) {
	if address == "" {
		return d.bmcs.find(mac, subnets)
	}
	return func(context.Context) (string, error) { return address, nil }
}

// address is where a host's BMC is, to be shown.
func (d *drivers) address(h *pxepilot.Host) string {
	switch mac, _ := sought(h); {
	case !mac.IsZero():
		return d.bmcs.known(mac)
	case h.IPMI != nil:
		return h.IPMI.Hostname
	case h.Management != nil:
		return h.Management.Address
	case h.Redfish != nil:
		return h.Redfish.URL
	}
	return ""
}

// bmc names the BMC of a host by what the configuration file says of it, so that
// hosts with the same one take turns.
func (d *drivers) bmc(h *pxepilot.Host) string {
	at := func(address string, mac pxepilot.MAC) string {
		if address == "" && !mac.IsZero() {
			return mac.String()
		}
		return strings.ToLower(address)
	}
	switch {
	case h.IPMI != nil:
		return fmt.Sprintf("ipmi:%s:%d", at(h.IPMI.Hostname, h.IPMI.MAC), cmp.Or(h.IPMI.Port, ipmi.Port))
	case h.Redfish != nil:
		return "redfish:" + strings.TrimRight(strings.ToLower(h.Redfish.URL), "/")
	case h.Management != nil:
		if a := at(h.Management.Address, h.Management.MAC); a != "" {
			return "management:" + a
		}
	}
	return "host:" + h.Name
}

// key is what a host's controller depends on: a digest, for it holds passwords.
// It is empty where nothing drives the host's power.
func (d *drivers) key(h *pxepilot.Host) string {
	if h.IPMI == nil && h.Redfish == nil && h.Management == nil && h.WakeOnLAN == nil {
		return ""
	}
	all := []any{h.Name, h.IPMI, h.Redfish, h.Management, h.WakeOnLAN}
	if h.IPMI != nil {
		all = append(all, h.IPMI.Password.Reveal())
	}
	if h.Redfish != nil {
		all = append(all, h.Redfish.Password.Reveal())
		if digests := d.authorities.Load(); digests != nil {
			all = append(all, (*digests)[h.Redfish.CAFile])
		}
	}
	if h.Management != nil {
		a := d.adapter(h.Management.Adapter)
		all = append(all, a)
		for _, list := range [][]pxepilot.Var{a.Vars, h.Management.Vars} {
			for _, v := range list {
				all = append(all, v.Value.Reveal())
			}
		}
	}
	if h.WakeOnLAN != nil {
		all = append(all, h.MACs)
	}
	text, err := json.Marshal(all)
	if err != nil { // of plain values, there is none
		text = fmt.Append(nil, all...)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// adapter translates an adapter of the configuration file.
func adapter(a pxepilot.Adapter) command.Adapter {
	one := func(c pxepilot.Command) command.Command {
		return command.Command{Cmd: c.Line, Env: c.Env, Stdin: c.Stdin}
	}
	return command.Adapter{
		Name: a.Name, Vars: values(a.Vars),
		Status: one(a.Status), PatternOn: a.PatternOn, PatternOff: a.PatternOff,
		On: one(a.On), Off: one(a.Off), Reset: one(a.Reset),
	}
}

func values(vars []pxepilot.Var) map[string]pxepilot.Secret {
	m := make(map[string]pxepilot.Secret, len(vars))
	for _, v := range vars {
		m[v.Name] = v.Value
	}
	return m
}

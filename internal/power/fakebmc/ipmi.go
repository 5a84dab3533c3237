// Package fakebmc makes BMCs of nothing: they speak true IPMI 2.0 (RMCP+) on
// loopback addresses and act on machines that are a few variables. Tests use
// them, and the demo site, which has no machines. They are no place for secrets:
// whoever reaches the address can guess for as long as they like.
package fakebmc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/pxe-pilot/pxe-pilot"
)

// lan is the channel that the BMC listens on, and first the user that is not
// the anonymous one (IPMI 2.0 section 6.12.6).
const (
	lan   = 1
	first = 2
)

// An Account is who may drive a machine through its BMC.
type Account struct {
	User     string
	Password pxepilot.Secret
	// Readonly is a user who may look but not switch (IPMI privilege User).
	Readonly bool
	// Suites are the cipher suites that the BMC knows (IPMI 2.0 table 22-20);
	// 3 and 17 unless told.
	Suites []int
	// Key is K_G, a secret of the BMC beside those of its users; none unless
	// told.
	Key pxepilot.Secret
}

// IPMI is a running BMC.
type IPMI struct {
	wire    *wire
	bmc     *bmc.BMC
	server  *server.Server
	stop    context.CancelFunc
	serving sync.WaitGroup
}

// StartIPMI starts a BMC at an address of its own, such as 127.2.0.1:623; port
// 0 takes a free one.
func StartIPMI(addr string, a Account, m *Machine) (*IPMI, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("fake BMC: %w", err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("fake BMC: %w", err)
	}
	b := bmc.New(bmc.DeviceInfo{DeviceID: 0x20, FirmwareMajor: 2, IPMIVersion: 0x20},
		guid(conn.LocalAddr()), &hardware{chassis{m}}, bmc.WithV15Disabled(), bmc.WithKG([]byte(a.Key.Reveal())))
	var suites []types.CipherSuiteID
	for _, s := range a.Suites {
		id := types.CipherSuiteID(s)
		if !bmc.SupportedCipherSuite(id) {
			_ = conn.Close()
			return nil, fmt.Errorf("fake BMC: cipher suite %d is unknown", s)
		}
		suites = append(suites, id)
	}
	b.SetCipherSuites(suites)
	if err := addUser(b, a); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("fake BMC: %w", err)
	}

	w := &wire{conn: conn, holds: func(session uint32) bool {
		_, err := b.Sessions.Get(session)
		return err == nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	i := &IPMI{wire: w, bmc: b, server: server.NewServer(b, w), stop: cancel}
	i.serving.Go(func() { _ = i.server.Serve(ctx) })
	return i, nil
}

// addUser lets the account in.
func addUser(b *bmc.BMC, a Account) error {
	privilege := bmc.PrivilegeLevelAdministrator
	if a.Readonly {
		privilege = bmc.PrivilegeLevelUser
	}
	if _, err := b.Users.Add(first, a.User); err != nil {
		return err
	}
	return b.Users.Update(first, func(u *bmc.User) error {
		u.Enabled = true
		u.ChannelAccess[lan] = bmc.UserChannelAccess{MaxPrivilege: privilege, Enabled: true}
		u.SetPassword([]byte(a.Password.Reveal()))
		return nil
	})
}

// guid is a GUID that differs from BMC to BMC, as RAKP mixes it into its keys.
func guid(at net.Addr) (g [16]byte) {
	copy(g[:], at.String())
	return g
}

// Addr is where the BMC listens.
func (i *IPMI) Addr() netip.AddrPort {
	return i.wire.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// SetSilent makes the BMC hear nothing, or hear again.
func (i *IPMI) SetSilent(silent bool) {
	i.wire.mu.Lock()
	defer i.wire.mu.Unlock()
	i.wire.silent = silent
}

// Tamper has f see every datagram that the BMC would send and say what is sent
// in its place; nil sends them as they are.
func (i *IPMI) Tamper(f func(answer []byte) [][]byte) {
	i.wire.mu.Lock()
	defer i.wire.mu.Unlock()
	i.wire.tamper = f
}

// Asked is how many datagrams reached the BMC.
func (i *IPMI) Asked() int {
	i.wire.mu.Lock()
	defer i.wire.mu.Unlock()
	return i.wire.asked
}

// Sessions is how many sessions the BMC holds, those being opened included.
func (i *IPMI) Sessions() int { return i.bmc.Sessions.Count() }

// Forget drops all sessions without a word, as a BMC does that restarts.
func (i *IPMI) Forget() {
	i.wire.mu.Lock()
	defer i.wire.mu.Unlock()
	for id := range i.wire.sessions {
		_ = i.bmc.Sessions.Close(id)
	}
	i.wire.sessions = nil
}

// Close ends the BMC.
func (i *IPMI) Close() error {
	i.stop()
	err := i.server.Close()
	i.serving.Wait()
	return err
}

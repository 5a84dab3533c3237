package wol

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/mdlayher/packet"

	"github.com/pxe-pilot/pxe-pilot"
)

// etherType is that of Wake-on-LAN frames, as everybody uses it; it was never
// registered.
const etherType = 0x0842

// sendFrames sends the packets as Ethernet frames to everybody, so that no
// switch needs to remember where a machine that is off was, and no address of
// the network is needed.
func (c *Controller) sendFrames(ctx context.Context, ifi *net.Interface) error {
	if len(ifi.HardwareAddr) != 6 {
		return fmt.Errorf("interface %s is not an Ethernet one; set wol.broadcast instead", pxepilot.Quote(ifi.Name))
	}
	conn, err := packet.Listen(ifi, packet.Raw, etherType, nil)
	if err != nil {
		return fmt.Errorf("no packet socket on interface %s: %w", pxepilot.Quote(ifi.Name), err)
	}
	defer conn.Close()
	everybody := bytes.Repeat([]byte{0xff}, 6)
	return c.send(ctx, conn, func(magic []byte) error {
		frame := append(bytes.Clone(everybody), ifi.HardwareAddr...)
		frame = binary.BigEndian.AppendUint16(frame, etherType)
		if _, err := conn.WriteTo(append(frame, magic...), &packet.Addr{HardwareAddr: everybody}); err != nil {
			return fmt.Errorf("cannot send out of interface %s: %w", pxepilot.Quote(ifi.Name), innermost(err))
		}
		return nil
	})
}

// notAllowed says whether packet sockets are not for us: no CAP_NET_RAW, or no
// AF_PACKET in RestrictAddressFamilies= of systemd.
func notAllowed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EAFNOSUPPORT)
}

package fakebmc

import (
	"context"

	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/pxe-pilot/pxe-pilot"
)

// hardware is what the BMC finds on its board: a chassis.
type hardware struct{ chassis chassis }

func (h *hardware) Chassis() hal.ChassisHAL { return h.chassis }
func (*hardware) Sensors() hal.SensorHAL    { return nil }
func (*hardware) Storage() hal.StorageHAL   { return nil }
func (*hardware) Network() hal.NetworkHAL   { return nil }
func (*hardware) GPIO() hal.GPIOHAL         { return nil }
func (*hardware) I2C() hal.I2CHAL           { return nil }
func (*hardware) Console() hal.ConsoleHAL   { return nil }
func (*hardware) Close() error              { return nil }

// chassis translates between the BMC and the machine.
type chassis struct{ m *Machine }

// do answers an action as chassis control does (IPMI 2.0 section 28.3).
func (c chassis) do(a pxepilot.PowerAction) error {
	if !c.m.do(a) {
		return types.CodeNotSupported // D5h: not in this state
	}
	return nil
}

func (c chassis) PowerState(context.Context) (bool, error) { return c.m.On(), nil }

func (c chassis) SetPower(_ context.Context, on bool) error {
	if on {
		return c.do(pxepilot.ActionOn)
	}
	return c.do(pxepilot.ActionOff)
}

func (c chassis) PowerCycle(context.Context) error { return c.do(pxepilot.ActionCycle) }
func (c chassis) ColdReset(context.Context) error  { return c.do(pxepilot.ActionReset) }

// WarmReset is what the library calls a soft shutdown by ACPI.
func (c chassis) WarmReset(context.Context) error { return c.do(pxepilot.ActionSoftOff) }

func (chassis) Identify(context.Context, uint8) error        { return nil }
func (chassis) IntrusionState(context.Context) (bool, error) { return false, hal.ErrNotSupported }

// selectors are the boot devices of the boot flags (IPMI 2.0 table 28-14,
// parameter 5, data 2, bits 5:2).
var selectors = map[types.BootDeviceSelector]pxepilot.BootDevice{
	0x1: pxepilot.BootPXE,
	0x2: pxepilot.BootDisk,
	0x6: pxepilot.BootSetup,
}

func (c chassis) SetBootFlags(_ context.Context, f *types.BootOptionParam_BootFlags) error {
	o := Override{Device: selectors[f.BootDeviceSelector], Firmware: pxepilot.BIOS, Persistent: f.Persist}
	if f.BIOSBootType {
		o.Firmware = pxepilot.UEFI
	}
	if !f.BootFlagsValid || o.Device == "" {
		o = Override{}
	}
	c.m.override(o)
	return nil
}

func (c chassis) GetBootFlags(context.Context) (*types.BootOptionParam_BootFlags, error) {
	o := c.m.Next()
	f := &types.BootOptionParam_BootFlags{
		BootFlagsValid: o.Device != "",
		Persist:        o.Persistent,
		BIOSBootType:   o.Firmware == pxepilot.UEFI,
	}
	for s, d := range selectors {
		if d == o.Device {
			f.BootDeviceSelector = s
		}
	}
	return f, nil
}

func (chassis) SetBootInfoAcknowledge(context.Context, *types.BootOptionParam_BootInfoAcknowledge) error {
	return nil
}

func (chassis) GetBootInfoAcknowledge(context.Context) (*types.BootOptionParam_BootInfoAcknowledge, error) {
	return nil, hal.ErrNotSupported
}

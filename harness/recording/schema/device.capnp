@0xb4e60d93715fca28;

# What the device publishes: start of a run, cameras, encoders, pandas, sensors, health.
# Wire layout only: ordinals and sizes are openpilot's and never change; names of structs and enums are this project's own.
# Fields that openpilot retired live in a group `deprecated` (same place on the wire). AnyPointer and Void keep the place
# of what this project does not read. Never skip or reuse an ordinal: every later field would move.

using Car = import "/car/car.capnp";

enum DeviceType {
  unknown @0; neo @1; chffrAndroid @2; chffrIos @3; tici @4; pc @5; tizi @6; mici @7;
}

enum ImageSensor {
  unknown @0; ar0231 @1; ox03c10 @2; os04c10 @3;
}

enum EncodeType {
  bigBoxLossless @0; fullHEVC @1; bigBoxHEVCDEPRECATED @2; chffrAndroidH264DEPRECATED @3;
  fullLosslessClipDEPRECATED @4; frontDEPRECATED @5; qcameraH264 @6; livestreamH264 @7;
}

enum SegmentMarkType {
  endOfSegment @0; endOfRoute @1; startOfSegment @2; startOfRoute @3;
}

enum PandaFault {
  relayMalfunction @0; unusedInterruptHandled @1; interruptRateCan1 @2; interruptRateCan2 @3; interruptRateCan3 @4;
  interruptRateTach @5; interruptRateGmlanDEPRECATED @6; interruptRateInterrupts @7; interruptRateSpiDma @8;
  interruptRateSpiCs @9; interruptRateUart1 @10; interruptRateUart2 @11; interruptRateUart3 @12;
  interruptRateUart5 @13; interruptRateUartDma @14; interruptRateUsb @15; interruptRateTim1 @16;
  interruptRateTim3 @17; registerDivergent @18; interruptRateKlineInit @19; interruptRateClockSource @20;
  interruptRateTick @21; interruptRateExti @22; interruptRateSpi @23; interruptRateUart7 @24; sirenMalfunction @25;
  heartbeatLoopWatchdog @26;
}

enum PandaFaultStatus {
  none @0; faultTemp @1; faultPerm @2;
}

enum PandaType {
  unknown @0; whitePanda @1; greyPanda @2; blackPanda @3; pedal @4; uno @5; dos @6; redPanda @7; redPandaV2 @8;
  tres @9; cuatro @10;
}

enum HarnessStatus {
  notConnected @0; normal @1; flipped @2;
}

enum CanErrorCode {
  noError @0; stuffError @1; formError @2; ackError @3; bit1Error @4; bit0Error @5; crcError @6; noChange @7;
}

enum ThermalStatus {
  ok @0; warmDEPRECATED @1; overheated @2; critical @3;
}

enum NetworkType {
  none @0; wifi @1; cell2G @2; cell3G @3; cell4G @4; cell5G @5; ethernet @6;
}

enum PreviewEncoding {
  unknown @0; jpeg @1; keyframe @2;
}

struct RunStart {
  kernelArgs @0 :List(Text);
  dongleId @2 :Text;
  deviceType @3 :DeviceType;
  version @4 :Text;
  pandaInfo @8 :PandaIdentity;
  dirty @9 :Bool;
  gitCommit @10 :Text;
  gitBranch @11 :Text;
  passive @12 :Bool;
  gitRemote @13 :Text;
  kernelVersion @15 :Text;
  androidProperties @16 :TextMap;
  params @17 :DataMap;
  osVersion @18 :Text;
  commands @19 :DataMap;
  wallTimeNanos @20 :UInt64;
  gitCommitDate @21 :Text;
  bootlogId @22 :Text;
  gitSrcCommit @23 :Text;
  gitSrcCommitDate @24 :Text;
  deprecated :group {
    gctx @1 :Text;
    androidBuildInfo @5 :AnyPointer;
    androidSensors @6 :AnyPointer;
    chffrAndroidExtra @7 :AnyPointer;
    iosBuildInfo @14 :AnyPointer;
  }
}

struct CameraFrame {
  frameId @0 :UInt32;
  encodeId @1 :UInt32;
  timestampEof @2 :UInt64;
  integLines @4 :Int32;
  image @6 :Data;
  timestampSof @8 :UInt64;
  transform @10 :List(Float32);
  gain @15 :Float32;
  highConversionGain @20 :Bool;
  measuredGreyFraction @21 :Float32;
  targetGreyFraction @22 :Float32;
  processingTime @23 :Float32;
  temperaturesC @24 :List(Float32);
  frameIdSensor @25 :UInt32;
  sensor @26 :ImageSensor;
  exposureValPercent @27 :Float32;
  requestId @28 :UInt32;
  deprecated :group {
    frameLength @3 :Int32;
    globalGain @5 :Int32;
    frameType @7 :UInt16;
    androidCaptureResult @9 :AnyPointer;
    lensPos @11 :Int32;
    lensSag @12 :Float32;
    lensErr @13 :Float32;
    lensTruePos @14 :Float32;
    focusVal @16 :List(Int16);
    focusConf @17 :List(UInt8);
    sharpnessScore @18 :List(UInt16);
    recoverState @19 :Int32;
  }
}

struct EncodedFrame {
  frameId @0 :UInt32;
  type @1 :EncodeType;
  encodeId @2 :UInt32;
  segmentNum @3 :Int32;
  segmentId @4 :UInt32;
  segmentIdEncode @5 :UInt32;
  timestampSof @6 :UInt64;
  timestampEof @7 :UInt64;
  flags @8 :UInt32;
  len @9 :UInt32;
}

struct EncodedPacket {
  idx @0 :EncodedFrame;
  data @1 :Data;
  header @2 :Data;
  unixTimestampNanos @3 :UInt64;
  width @4 :UInt32;
  height @5 :UInt32;
}

struct SegmentMark {
  type @0 :SegmentMarkType;
  signal @1 :Int32;
}

struct Preview {
  frameId @0 :UInt32;
  timestampEof @1 :UInt64;
  thumbnail @2 :Data;
  encoding @3 :PreviewEncoding;
}

struct CanFrame {
  address @0 :UInt32;
  dat @2 :Data;
  src @3 :UInt8;
  deprecated :group {
    busTime @1 :UInt16;
  }
}

struct Panda {
  voltage @0 :UInt32;
  current @1 :UInt32;
  ignitionLine @2 :Bool;
  controlsAllowed @3 :Bool;
  rxBufferOverflow @7 :UInt32;
  txBufferOverflow @8 :UInt32;
  pandaType @10 :PandaType;
  ignitionCan @13 :Bool;
  safetyModel @14 :Car.CarParams.SafetyModel;
  faultStatus @15 :PandaFaultStatus;
  powerSaveEnabled @16 :Bool;
  uptime @17 :UInt32;
  faults @18 :List(PandaFault);
  safetyRxInvalid @19 :UInt32;
  harnessStatus @21 :HarnessStatus;
  heartbeatLost @22 :Bool;
  alternativeExperience @23 :Int16;
  safetyTxBlocked @24 :UInt32;
  interruptLoad @25 :Float32;
  safetyParam @27 :UInt16;
  fanPower @28 :UInt8;
  canState0 @29 :PandaCan;
  canState1 @30 :PandaCan;
  canState2 @31 :PandaCan;
  safetyRxChecksInvalid @32 :Bool;
  spiErrorCount @33 :UInt16;
  sbu1Voltage @35 :Float32;
  sbu2Voltage @36 :Float32;
  soundOutputLevel @37 :UInt16;
  controlsAllowedRESERVED1 @38 :Bool;
  controlsAllowedRESERVED2 @39 :Bool;
  deprecated :group {
    gasInterceptorDetected @4 :Bool;
    startedSignalDetected @5 :Bool;
    hasGps @6 :Bool;
    gmlanSendErrs @9 :UInt32;
    fanSpeedRpm @11 :UInt16;
    usbPowerMode @12 :UInt16;
    safetyParam @20 :Int16;
    safetyParam2 @26 :UInt32;
    fanStallCount @34 :UInt8;
  }
}

struct PandaCan {
  busOff @0 :Bool;
  busOffCnt @1 :UInt32;
  errorWarning @2 :Bool;
  errorPassive @3 :Bool;
  lastError @4 :CanErrorCode;
  lastStoredError @5 :CanErrorCode;
  lastDataError @6 :CanErrorCode;
  lastDataStoredError @7 :CanErrorCode;
  receiveErrorCnt @8 :UInt8;
  transmitErrorCnt @9 :UInt8;
  totalErrorCnt @10 :UInt32;
  totalTxLostCnt @11 :UInt32;
  totalRxLostCnt @12 :UInt32;
  totalTxCnt @13 :UInt32;
  totalRxCnt @14 :UInt32;
  totalFwdCnt @15 :UInt32;
  canSpeed @16 :UInt16;
  canDataSpeed @17 :UInt16;
  canfdEnabled @18 :Bool;
  brsEnabled @19 :Bool;
  canfdNonIso @20 :Bool;
  irq0CallRate @21 :UInt32;
  irq1CallRate @22 :UInt32;
  irq2CallRate @23 :UInt32;
  canCoreResetCnt @24 :UInt32;
}

struct Peripheral {
  pandaType @0 :PandaType;
  voltage @1 :UInt32;
  current @2 :UInt32;
  fanSpeedRpm @3 :UInt16;
  deprecated :group {
    usbPowerMode @4 :UInt16;
  }
}

struct DeviceHealth {
  freeSpacePercent @7 :Float32;
  fanSpeedPercentDesired @10 :UInt16;
  started @11 :Bool;
  startedMonoTime @13 :UInt64;
  thermalStatus @14 :ThermalStatus;
  memoryUsagePercent @19 :Int8;
  networkType @22 :NetworkType;
  offroadPowerUsageUwh @23 :UInt32;
  networkStrength @24 :UInt16;
  carBatteryCapacityUwh @25 :UInt32;
  cpuTempC @26 :List(Float32);
  gpuTempC @27 :List(Float32);
  memoryTempC @28 :Float32;
  networkInfo @31 :NetworkInfo;
  lastAthenaPingTime @32 :UInt64;
  gpuUsagePercent @33 :Int8;
  cpuUsagePercent @34 :List(Int8);
  modemTempC @36 :List(Float32);
  screenBrightnessPercent @37 :Int8;
  thermalZones @38 :List(ThermalZone);
  pmicTempC @39 :List(Float32);
  powerDrawW @40 :Float32;
  networkMetered @41 :Bool;
  somPowerDrawW @42 :Float32;
  networkStats @43 :NetworkStats;
  maxTempC @44 :Float32;
  deviceType @45 :DeviceType;
  intakeTempC @46 :Float32;
  exhaustTempC @47 :Float32;
  gnssTempC @48 :Float32;
  dspTempC @49 :Float32;
  bottomSocTempC @50 :Float32;
  chestnutPresent @51 :Bool;
  usbState @52 :UsbDevices;
  deprecated :group {
    cpu0 @0 :UInt16;
    cpu1 @1 :UInt16;
    cpu2 @2 :UInt16;
    cpu3 @3 :UInt16;
    mem @4 :UInt16;
    gpu @5 :UInt16;
    bat @6 :UInt32;
    batteryPercent @8 :Int16;
    batteryStatus @9 :Text;
    usbOnline @12 :Bool;
    batteryCurrent @15 :Int32;
    batteryVoltage @16 :Int32;
    chargingError @17 :Bool;
    chargingDisabled @18 :Bool;
    cpuUsagePercent @20 :Int8;
    pa0 @21 :UInt16;
    batteryTempC @29 :Float32;
    ambientTempC @30 :Float32;
    nvmeTempC @35 :List(Float32);
  }
}

struct SensorSample {
  timestamp @3 :Int64;
  source @8 :UInt16;
  union {
    acceleration @4 :SensorVector;
    magnetic @5 :SensorVector;
    orientation @6 :SensorVector;
    gyro @7 :SensorVector;
    pressure @9 :SensorVector;
    magneticUncalibrated @11 :SensorVector;
    gyroUncalibrated @12 :SensorVector;
    proximity @13 :Float32;
    light @14 :Float32;
    temperature @15 :Float32;
  }
  deprecated :group {
    version @0 :Int32;
    sensor @1 :Int32;
    type @2 :Int32;
    uncalibrated @10 :Bool;
  }
}

struct GpsFix {
  flags @0 :UInt16;
  latitude @1 :Float64;
  longitude @2 :Float64;
  altitude @3 :Float64;
  speed @4 :Float32;
  bearingDeg @5 :Float32;
  horizontalAccuracy @6 :Float32;
  unixTimestampMillis @7 :Int64;
  source @8 :UInt16;
  vNED @9 :List(Float32);
  verticalAccuracy @10 :Float32;
  bearingAccuracyDeg @11 :Float32;
  speedAccuracy @12 :Float32;
  hasFix @13 :Bool;
  satelliteCount @14 :Int8;
}

struct Processes {
  processes @0 :List(ProcessHealth);
}

struct ProcessHealth {
  name @0 :Text;
  pid @1 :Int32;
  running @2 :Bool;
  exitCode @3 :Int32;
  shouldBeRunning @4 :Bool;
}

struct ProcessTable {
  cpuTimes @0 :AnyPointer;
  mem @1 :AnyPointer;
  procs @2 :List(ProcessRow);
}

struct ProcessRow {
  pid @0 :Int32;
  name @1 :Text;
  state @2 :UInt8;
  ppid @3 :Int32;
  cpuUser @4 :Float32;
  cpuSystem @5 :Float32;
  cpuChildrenUser @6 :Float32;
  cpuChildrenSystem @7 :Float32;
  priority @8 :Int64;
  nice @9 :Int32;
  numThreads @10 :Int32;
  startTime @11 :Float64;
  memVms @12 :UInt64;
  memRss @13 :UInt64;
  processor @14 :Int32;
  cmdline @15 :List(Text);
  exe @16 :Text;
  memPss @17 :UInt64;
  memPssAnon @18 :UInt64;
  memPssShmem @19 :UInt64;
}

struct ClockReading {
  wallTimeNanos @3 :UInt64;
  deprecated :group {
    bootTimeNanos @0 :UInt64;
    monotonicNanos @1 :UInt64;
    monotonicRawNanos @2 :UInt64;
    modemUptimeMillis @4 :UInt64;
  }
}

struct BootRecord {
  wallTimeNanos @0 :UInt64;
  launchLog @3 :Text;
  pstore @4 :DataMap;
  commands @5 :DataMap;
  deprecated :group {
    lastKmsg @1 :Data;
    lastPmsg @2 :Data;
  }
}

struct Bookmark {
}

struct AudioChunk {
  data @0 :Data;
  sampleRate @1 :UInt32;
}

struct SoundLevel {
  soundPressure @0 :Float32;
  soundPressureWeightedDb @1 :Float32;
  soundPressureWeighted @3 :Float32;
  deprecated :group {
    filteredSoundPressureWeightedDb @2 :Float32;
  }
}

struct Chestnut {
  tempC @0 :Float32;
  memoryTempC @1 :Float32;
  powerDrawW @2 :Float32;
  powerLimitW @3 :Float32;
  gpuUsagePercent @4 :UInt8;
  gpuClockMhz @5 :UInt16;
  fanSpeedRpm @6 :UInt16;
  pcieLtssm @7 :UInt8;
  supplyVoltage @8 :UInt16;
  supplyCurrent @9 :Int16;
}

struct UsbDevices {
  devices @0 :AnyPointer;
}

struct TextMap {
  entries @0 :List(Entry);
  struct Entry {
    key @0 :Text;
    value @1 :Text;
  }
}

struct DataMap {
  entries @0 :List(Entry);
  struct Entry {
    key @0 :Text;
    value @1 :Data;
  }
}

struct PandaIdentity {
  hasPanda @0 :Bool;
  dongleId @1 :Text;
  stVersion @2 :Text;
  espVersion @3 :Text;
}

struct ThermalZone {
  name @0 :Text;
  temp @1 :Float32;
}

struct NetworkInfo {
  technology @0 :Text;
  operator @1 :Text;
  band @2 :Text;
  channel @3 :UInt16;
  extra @4 :Text;
  state @5 :Text;
}

struct NetworkStats {
  wwanTx @0 :Int64;
  wwanRx @1 :Int64;
}

struct SensorVector {
  v @0 :List(Float32);
  status @1 :Int8;
}

struct Joystick {
  axes @0 :List(Float32);
  buttons @1 :List(Bool);
}

@0xa91f5c27e3d84b60;

# What the driving software publishes: model, plans, controls, calibration, driver monitoring.
# Wire layout only: ordinals and sizes are openpilot's and never change; names of structs and enums are this project's own.
# Fields that openpilot retired live in a group `deprecated` (same place on the wire). AnyPointer and Void keep the place
# of what this project does not read. Never skip or reuse an ordinal: every later field would move.

using Car = import "/car/car.capnp";

enum OnroadEventName {
  canError @0; steerUnavailable @1; wrongGear @2; doorOpen @3; seatbeltNotLatched @4; espDisabled @5;
  wrongCarMode @6; steerTempUnavailable @7; reverseGear @8; buttonCancel @9; buttonEnable @10; pedalPressed @11;
  preEnableStandstill @12; gasPressedOverride @13; steerOverride @14; cruiseDisabled @15; speedTooLow @16;
  outOfSpace @17; overheat @18; calibrationIncomplete @19; calibrationInvalid @20; calibrationRecalibrating @21;
  controlsMismatch @22; pcmEnable @23; pcmDisable @24; radarFault @25; brakeHold @26; parkBrake @27;
  manualRestart @28; joystickDebug @29; longitudinalManeuver @30; steerTempUnavailableSilent @31;
  resumeRequired @32; driverDistracted1 @33; driverDistracted2 @34; driverDistracted3 @35; driverUnresponsive1 @36;
  driverUnresponsive2 @37; driverUnresponsive3 @38; belowSteerSpeed @39; lowBatteryDEPRECATED @40; accFaulted @41;
  sensorDataInvalid @42; commIssue @43; commIssueAvgFreq @44; tooDistracted @45; posenetInvalid @46;
  soundsUnavailableDEPRECATED @47; preLaneChangeLeft @48; preLaneChangeRight @49; laneChange @50; lowMemory @51;
  stockAeb @52; ldw @53; carUnrecognized @54; invalidLkasSetting @55; speedTooHigh @56; laneChangeBlocked @57;
  relayMalfunction @58; stockFcw @59; startup @60; startupNoCar @61; startupNoControl @62; startupNoSecOcKey @63;
  startupMaster @64; fcw @65; steerSaturated @66; belowEngageSpeed @67; noGps @68; wrongCruiseMode @69;
  modeldLagging @70; deviceFallingDEPRECATED @71; fanMalfunction @72; cameraMalfunction @73; cameraFrameRate @74;
  processNotRunning @75; dashcamMode @76; selfdriveInitializing @77; usbErrorDEPRECATED @78; cruiseMismatch @79;
  canBusMissing @80; selfdrivedLagging @81; resumeBlocked @82; steerTimeLimit @83; vehicleSensorsInvalid @84;
  locationdTemporaryError @85; locationdPermanentError @86; paramsdTemporaryError @87; paramsdPermanentError @88;
  actuatorsApiUnavailable @89; espActive @90; personalityChanged @91; aeb @92; radarTempUnavailable @93;
  steerDisengage @94; userBookmark @95; excessiveActuation @96; audioFeedbackDEPRECATED @97; stockLkas @98;
  lateralManeuver @99; bigModelLoading @100; bigModelReadyDEPRECATED @101; bigModelFailed @102; carNotReady @103;
}

enum EngagementState {
  disabled @0; preEnabled @1; enabled @2; softDisabling @3; overriding @4;
}

enum AlertStatus {
  normal @0; userPrompt @1; critical @2;
}

enum AlertSize {
  none @0; small @1; mid @2; full @3;
}

enum AlertSound {
  none @0; engage @1; disengage @2; refuse @3; warningSoft @4; warningImmediate @5; prompt @6; promptRepeat @7;
  promptDistracted @8; preAlert @9; complete @10;
}

enum Personality {
  aggressive @0; standard @1; relaxed @2;
}

enum ExtrinsicsStatus {
  uncalibrated @0; calibrated @1; invalid @2; recalibrating @3;
}

enum SpeedPlanSource {
  cruise @0; lead0 @1; lead1 @2; lead2 @3; e2e @4;
}

enum ModelConfidence {
  red @0; yellow @1; green @2;
}

enum LaneChangeState {
  off @0; preLaneChange @1; laneChangeStarting @2; laneChangeFinishing @3;
}

enum LaneChangeDirection {
  none @0; left @1; right @2;
}

enum DelayStatus {
  unestimated @0; estimated @1; invalid @2;
}

enum DriverAlertLevel {
  none @0; one @1; two @2; three @3;
}

enum MonitoringPolicy {
  wheeltouch @0; vision @1;
}

struct OnroadEvent {
  name @0 :OnroadEventName;
  enable @1 :Bool;
  noEntry @2 :Bool;
  warning @3 :Bool;
  userDisable @4 :Bool;
  softDisable @5 :Bool;
  immediateDisable @6 :Bool;
  preEnable @7 :Bool;
  permanent @8 :Bool;
  overrideLongitudinal @9 :Bool;
  overrideLateral @10 :Bool;
}

struct Selfdrive {
  state @0 :EngagementState;
  enabled @1 :Bool;
  active @2 :Bool;
  alertText1 @3 :Text;
  alertText2 @4 :Text;
  alertStatus @5 :AlertStatus;
  alertSize @6 :AlertSize;
  alertType @7 :Text;
  engageable @9 :Bool;
  experimentalMode @10 :Bool;
  personality @11 :Personality;
  alertHudVisual @12 :Car.CarControl.HUDControl.VisualAlert;
  alertSound @13 :AlertSound;
  deprecated :group {
    alertSound @8 :Car.CarControl.HUDControl.AudibleAlert;
  }
}

struct Controls {
  upAccelCmd @4 :Float32;
  uiAccelCmd @5 :Float32;
  longitudinalPlanMonoTime @28 :UInt64;
  longControlState @30 :Car.CarControl.Actuators.LongControlState;
  ufAccelCmd @33 :Float32;
  curvature @37 :Float32;
  lateralPlanMonoTime @50 :UInt64;
  forceDecel @51 :Bool;
  desiredCurvature @61 :Float32;
  lateralControlState :union {
    indiStateDEPRECATED @52 :AnyPointer;
    pidState @53 :LateralPid;
    lqrStateDEPRECATED @55 :AnyPointer;
    angleState @58 :LateralAngle;
    debugState @59 :LateralDebug;
    torqueState @60 :LateralTorque;
    curvatureState @65 :LateralCurvature;
  }
  deprecated :group {
    vEgo @0 :Float32;
    aEgo @1 :Float32;
    vPid @2 :Float32;
    vTargetLead @3 :Float32;
    yActual @6 :Float32;
    yDes @7 :Float32;
    upSteer @8 :Float32;
    uiSteer @9 :Float32;
    aTargetMin @10 :Float32;
    aTargetMax @11 :Float32;
    jerkFactor @12 :Float32;
    angleSteers @13 :Float32;
    hudLead @14 :Int32;
    cumLagMs @15 :Float32;
    canMonoTime @16 :UInt64;
    radarStateMonoTime @17 :UInt64;
    mdMonoTime @18 :UInt64;
    enabled @19 :Bool;
    steerOverride @20 :Bool;
    canMonoTimes @21 :List(UInt64);
    vCruise @22 :Float32;
    rearViewCam @23 :Bool;
    alertText1 @24 :Text;
    alertText2 @25 :Text;
    awarenessStatus @26 :Float32;
    angleModelBias @27 :Float32;
    steeringAngleDesiredDeg @29 :Float32;
    state @31 :EngagementState;
    vEgoRaw @32 :Float32;
    ufSteer @34 :Float32;
    aTarget @35 :Float32;
    active @36 :Bool;
    alertStatus @38 :AlertStatus;
    alertSize @39 :AlertSize;
    gpsPlannerActive @40 :Bool;
    engageable @41 :Bool;
    alertBlinkingRate @42 :Float32;
    driverMonitoringOn @43 :Bool;
    alertType @44 :Text;
    alertSound @45 :Text;
    vCurvature @46 :Float32;
    decelForTurn @47 :Bool;
    startMonoTime @48 :UInt64;
    mapValid @49 :Bool;
    decelForModel @54 :Bool;
    alertSound2 @56 :AlertSound;
    canErrorCounter @57 :UInt32;
    desiredCurvatureRate @62 :Float32;
    vCruiseCluster @63 :Float32;
    experimentalMode @64 :Bool;
    personality @66 :Personality;
  }
}

struct SpeedPlan {
  hasLead @7 :Bool;
  fcw @8 :Bool;
  modelMonoTime @9 :UInt64;
  longitudinalPlanSource @15 :SpeedPlanSource;
  aTarget @18 :Float32;
  processingDelay @29 :Float32;
  accels @32 :List(Float32);
  speeds @33 :List(Float32);
  jerks @34 :List(Float32);
  solverExecutionTime @35 :Float32;
  shouldStop @37 :Bool;
  allowThrottle @38 :Bool;
  allowBrake @39 :Bool;
  deprecated :group {
    lateralValid @0 :Bool;
    dPoly @1 :List(Float32);
    longitudinalValid @2 :Bool;
    vTarget @3 :Float32;
    aTargetMin @4 :Float32;
    aTargetMax @5 :Float32;
    jerkFactor @6 :Float32;
    radarStateMonoTime @10 :UInt64;
    laneWidth @11 :Float32;
    gpsTrajectory @12 :AnyPointer;
    events @13 :List(Car.OnroadEventDEPRECATED);
    vTargetFuture @14 :Float32;
    vCruise @16 :Float32;
    aCruise @17 :Float32;
    gpsPlannerActive @19 :Bool;
    vMax @20 :Float32;
    vCurvature @21 :Float32;
    decelForTurn @22 :Bool;
    hasLeftLane @23 :Bool;
    hasRightLane @24 :Bool;
    mapValid @25 :Bool;
    vStart @26 :Float32;
    aStart @27 :Float32;
    radarValid @28 :Bool;
    radarCanError @30 :Bool;
    commIssue @31 :Bool;
    personality @36 :Personality;
  }
}

struct LaneDeparture {
  leftLaneDeparture @0 :Bool;
  rightLaneDeparture @1 :Bool;
}

struct LateralManeuver {
  desiredCurvature @0 :Float32;
}

struct ModelSummary {
  frameId @0 :UInt32;
  frameIdExtra @1 :UInt32;
  action @2 :ModelAction;
  laneLineMeta @3 :SummaryLanes;
  meta @4 :SummaryLaneChange;
  path @5 :SummaryPath;
  frameDropPerc @6 :Float32;
  modelExecutionTime @7 :Float32;
}

struct SeriesXyzt {
  x @0 :List(Float32);
  y @1 :List(Float32);
  z @2 :List(Float32);
  t @3 :List(Float32);
  xStd @4 :List(Float32);
  yStd @5 :List(Float32);
  zStd @6 :List(Float32);
}

struct ModelOutput {
  frameId @0 :UInt32;
  frameAge @1 :UInt32;
  frameDropPerc @2 :Float32;
  timestampEof @3 :UInt64;
  position @4 :SeriesXyzt;
  orientation @5 :SeriesXyzt;
  velocity @6 :SeriesXyzt;
  orientationRate @7 :SeriesXyzt;
  laneLines @8 :List(SeriesXyzt);
  laneLineProbs @9 :List(Float32);
  roadEdges @10 :List(SeriesXyzt);
  meta @12 :ModelMeta;
  laneLineStds @13 :List(Float32);
  roadEdgeStds @14 :List(Float32);
  modelExecutionTime @15 :Float32;
  rawPredictions @16 :Data;
  leadsV3 @18 :List(ModelLead);
  acceleration @19 :SeriesXyzt;
  frameIdExtra @20 :UInt32;
  confidence @23 :ModelConfidence;
  action @26 :ModelAction;
  big @27 :Bool;
  deprecated :group {
    leadsDEPRECATED @11 :List(ModelLeadOld);
    gpuExecutionTime @17 :Float32;
    temporalPose @21 :ModelPose;
    navEnabled @22 :Bool;
    locationMonoTime @24 :UInt64;
    lateralPlannerSolutionDEPRECATED @25 :AnyPointer;
  }
}

struct ModelLead {
  prob @0 :Float32;
  probTime @1 :Float32;
  t @2 :List(Float32);
  x @3 :List(Float32);
  xStd @4 :List(Float32);
  y @5 :List(Float32);
  yStd @6 :List(Float32);
  v @7 :List(Float32);
  vStd @8 :List(Float32);
  a @9 :List(Float32);
  aStd @10 :List(Float32);
}

struct ModelMeta {
  engagedProb @0 :Float32;
  desirePrediction @1 :List(Float32);
  desireState @5 :List(Float32);
  disengagePredictions @6 :ModelDisengage;
  hardBrakePredicted @7 :Bool;
  laneChangeState @8 :LaneChangeState;
  laneChangeDirection @9 :LaneChangeDirection;
  deprecated :group {
    brakeDisengageProb @2 :Float32;
    gasDisengageProb @3 :Float32;
    steerOverrideProb @4 :Float32;
  }
}

struct ModelDisengage {
  t @0 :List(Float32);
  brakeDisengageProbs @1 :List(Float32);
  gasDisengageProbs @2 :List(Float32);
  steerOverrideProbs @3 :List(Float32);
  brake3MetersPerSecondSquaredProbs @4 :List(Float32);
  brake4MetersPerSecondSquaredProbs @5 :List(Float32);
  brake5MetersPerSecondSquaredProbs @6 :List(Float32);
  gasPressProbs @7 :List(Float32);
  brakePressProbs @8 :List(Float32);
}

struct ModelAction {
  desiredCurvature @0 :Float32;
  desiredAcceleration @1 :Float32;
  shouldStop @2 :Bool;
}

struct ModelPose {
  trans @0 :List(Float32);
  rot @1 :List(Float32);
  transStd @2 :List(Float32);
  rotStd @3 :List(Float32);
}

struct ModelLeadOld {
  prob @0 :Float32;
  t @1 :Float32;
  xyva @2 :List(Float32);
  xyvaStd @3 :List(Float32);
}

struct SummaryPath {
  xCoefficients @0 :List(Float32);
  yCoefficients @1 :List(Float32);
  zCoefficients @2 :List(Float32);
}

struct SummaryLanes {
  leftY @0 :Float32;
  rightY @1 :Float32;
  leftProb @2 :Float32;
  rightProb @3 :Float32;
}

struct SummaryLaneChange {
  laneChangeState @0 :LaneChangeState;
  laneChangeDirection @1 :LaneChangeDirection;
}

struct LateralPid {
  active @0 :Bool;
  steeringAngleDeg @1 :Float32;
  steeringRateDeg @2 :Float32;
  angleError @3 :Float32;
  p @4 :Float32;
  i @5 :Float32;
  f @6 :Float32;
  output @7 :Float32;
  saturated @8 :Bool;
  steeringAngleDesiredDeg @9 :Float32;
}

struct LateralTorque {
  active @0 :Bool;
  error @1 :Float32;
  p @2 :Float32;
  i @3 :Float32;
  d @4 :Float32;
  f @5 :Float32;
  output @6 :Float32;
  saturated @7 :Bool;
  errorRate @8 :Float32;
  actualLateralAccel @9 :Float32;
  desiredLateralAccel @10 :Float32;
  desiredLateralJerk @11 :Float32;
  version @12 :Int32;
}

struct LateralAngle {
  active @0 :Bool;
  steeringAngleDeg @1 :Float32;
  output @2 :Float32;
  saturated @3 :Bool;
  steeringAngleDesiredDeg @4 :Float32;
}

struct LateralDebug {
  active @0 :Bool;
  steeringAngleDeg @1 :Float32;
  output @2 :Float32;
  saturated @3 :Bool;
}

struct LateralCurvature {
  active @0 :Bool;
  actualCurvature @1 :Float32;
  desiredCurvature @2 :Float32;
  error @3 :Float32;
  p @4 :Float32;
  i @5 :Float32;
  f @6 :Float32;
  output @7 :Float32;
  saturated @8 :Bool;
}

struct Extrinsics {
  calCycle @2 :Int32;
  calPerc @3 :Int8;
  extrinsicMatrix @4 :List(Float32);
  rpyCalib @7 :List(Float32);
  rpyCalibSpread @8 :List(Float32);
  validBlocks @9 :Int32;
  wideFromDeviceEuler @10 :List(Float32);
  calStatus @11 :ExtrinsicsStatus;
  height @12 :List(Float32);
  deprecated :group {
    warpMatrix @0 :List(Float32);
    calStatus @1 :Int8;
    warpMatrix2 @5 :List(Float32);
    warpMatrixBig @6 :List(Float32);
  }
}

struct Motion {
  orientationNED @0 :MotionVector;
  velocityDevice @1 :MotionVector;
  accelerationDevice @2 :MotionVector;
  angularVelocityDevice @3 :MotionVector;
  inputsOK @4 :Bool;
  posenetOK @5 :Bool;
  sensorsOK @6 :Bool;
  debugFilterState @7 :AnyPointer;
  timestamp @8 :UInt64;
}

struct Odometry {
  trans @0 :List(Float32);
  rot @1 :List(Float32);
  transStd @2 :List(Float32);
  rotStd @3 :List(Float32);
  frameId @4 :UInt32;
  timestampEof @5 :UInt64;
  wideFromDeviceEuler @6 :List(Float32);
  wideFromDeviceEulerStd @7 :List(Float32);
  roadTransformTrans @8 :List(Float32);
  roadTransformTransStd @9 :List(Float32);
}

struct RadarLeads {
  leadOne @3 :RadarLead;
  leadTwo @4 :RadarLead;
  mdMonoTime @6 :UInt64;
  radarErrors @13 :Car.RadarData.Error;
  deprecated :group {
    warpMatrix @0 :List(Float32);
    angleOffset @1 :Float32;
    calStatus @2 :Int8;
    cumLagMs @5 :Float32;
    ftMonoTime @7 :UInt64;
    calCycle @8 :Int32;
    calPerc @9 :Int8;
    canMonoTimes @10 :List(UInt64);
    carStateMonoTime @11 :UInt64;
    radarErrors @12 :List(Car.RadarData.ErrorDEPRECATED);
  }
}

struct VehicleEstimate {
  valid @0 :Bool;
  gyroBias @1 :Float32;
  angleOffsetDeg @2 :Float32;
  angleOffsetAverageDeg @3 :Float32;
  stiffnessFactor @4 :Float32;
  steerRatio @5 :Float32;
  sensorValid @6 :Bool;
  posenetSpeed @8 :Float32;
  posenetValid @9 :Bool;
  angleOffsetFastStd @10 :Float32;
  angleOffsetAverageStd @11 :Float32;
  stiffnessFactorStd @12 :Float32;
  steerRatioStd @13 :Float32;
  roll @14 :Float32;
  debugFilterState @16 :AnyPointer;
  angleOffsetValid @17 :Bool;
  angleOffsetAverageValid @18 :Bool;
  steerRatioValid @19 :Bool;
  stiffnessFactorValid @20 :Bool;
  deprecated :group {
    yawRate @7 :Float32;
    filterState @15 :FilterVector;
  }
}

struct TorqueEstimate {
  valid @0 :Bool;
  latAccelFactorRaw @1 :Float32;
  latAccelOffsetRaw @2 :Float32;
  frictionCoefficientRaw @3 :Float32;
  latAccelFactorFiltered @4 :Float32;
  latAccelOffsetFiltered @5 :Float32;
  frictionCoefficientFiltered @6 :Float32;
  totalBucketPoints @7 :Float32;
  decay @8 :Float32;
  maxResets @9 :Float32;
  points @10 :List(List(Float32));
  version @11 :Int32;
  useParams @12 :Bool;
  calPerc @13 :Int8;
}

struct DelayEstimate {
  lateralDelay @0 :Float32;
  validBlocks @1 :Int32;
  status @2 :DelayStatus;
  lateralDelayEstimate @3 :Float32;
  points @4 :List(Float32);
  lateralDelayEstimateStd @5 :Float32;
  calPerc @6 :Int8;
  version @7 :Int32;
}

struct DriverMonitoring {
  lockout @0 :Bool;
  alwaysOn @3 :Bool;
  alwaysOnLockout @4 :Bool;
  alertLevel @5 :DriverAlertLevel;
  activePolicy @6 :MonitoringPolicy;
  isRHD @7 :Bool;
  rhdCalibration @8 :DriverCalibration;
  visionPolicyState @9 :VisionPolicy;
  wheeltouchPolicyState @10 :WheeltouchPolicy;
  lockoutMinutesRemaining @11 :Int8;
  alert3Count @12 :Int8;
  noResponseCount @13 :Int8;
  noResponseForceDecel @14 :Bool;
  lockoutCount @15 :Int8;
  deprecated :group {
    alertCountLockoutPercent @1 :Int8;
    alertTimeLockoutPercent @2 :Int8;
  }
}

struct DriverMonitoringOld {
  faceDetected @1 :Bool;
  isDistracted @2 :Bool;
  awarenessStatus @3 :Float32;
  isRHD @4 :Bool;
  posePitchOffset @6 :Float32;
  posePitchValidCount @7 :UInt32;
  poseYawOffset @8 :Float32;
  poseYawValidCount @9 :UInt32;
  stepChange @10 :Float32;
  awarenessActive @11 :Float32;
  awarenessPassive @12 :Float32;
  isLowStd @13 :Bool;
  hiStdCount @14 :UInt32;
  isActiveMode @16 :Bool;
  distractedType @17 :UInt32;
  events @18 :List(OnroadEvent);
  uncertainCount @19 :UInt32;
  deprecated :group {
    events @0 :List(Car.OnroadEventDEPRECATED);
    rhdChecked @5 :Bool;
    isPreview @15 :Bool;
    phoneProbOffset @20 :Float32;
    phoneProbValidCount @21 :UInt32;
  }
}

struct DriverModelOutput {
  frameId @0 :UInt32;
  modelExecutionTime @1 :Float32;
  rawPredictions @3 :Data;
  wheelOnRightProb @5 :Float32;
  leftDriverData @6 :DriverFace;
  rightDriverData @7 :DriverFace;
  gpuExecutionTime @8 :Float32;
  deprecated :group {
    dspExecutionTime @2 :Float32;
    poorVisionProb @4 :Float32;
  }
}

struct LocationFilter {
  positionECEF @0 :FilterVector;
  positionGeodetic @1 :FilterVector;
  velocityECEF @2 :FilterVector;
  velocityNED @3 :FilterVector;
  velocityDevice @4 :FilterVector;
  accelerationDevice @5 :FilterVector;
  orientationECEF @6 :FilterVector;
  orientationNED @7 :FilterVector;
  angularVelocityDevice @8 :FilterVector;
  calibratedOrientationNED @9 :FilterVector;
  velocityCalibrated @10 :FilterVector;
  accelerationCalibrated @11 :FilterVector;
  angularVelocityCalibrated @12 :FilterVector;
  gpsWeek @13 :Int32;
  gpsTimeOfWeek @14 :Float64;
  status @15 :UInt16;
  unixTimestampMillis @16 :Int64;
  inputsOK @17 :Bool;
  posenetOK @18 :Bool;
  gpsOK @19 :Bool;
  calibratedOrientationECEF @20 :FilterVector;
  sensorsOK @21 :Bool;
  deviceStable @22 :Bool;
  timeSinceReset @23 :Float64;
  excessiveResets @24 :Bool;
  timeToFirstFix @25 :Float32;
  filterState @26 :FilterVector;
}

struct AlertText {
  alertText1 @0 :Text;
  alertText2 @1 :Text;
}

struct MotionVector {
  x @0 :Float32;
  y @1 :Float32;
  z @2 :Float32;
  xStd @3 :Float32;
  yStd @4 :Float32;
  zStd @5 :Float32;
  valid @6 :Bool;
}

struct RadarLead {
  dRel @0 :Float32;
  yRel @1 :Float32;
  vRel @2 :Float32;
  vLead @4 :Float32;
  vLeadK @8 :Float32;
  aLeadK @9 :Float32;
  present @11 :Bool;
  aLeadTau @12 :Float32;
  modelProb @13 :Float32;
  radar @14 :Bool;
  radarTrackId @15 :Int32;
  deprecated :group {
    aRel @3 :Float32;
    aLead @5 :Float32;
    dPath @6 :Float32;
    vLat @7 :Float32;
    fcw @10 :Bool;
  }
}

struct VisionPolicy {
  awarenessPercent @0 :Int8;
  awarenessStep @1 :Float32;
  isDistracted @2 :Bool;
  distractedTypes @3 :AnyPointer;
  faceDetected @4 :Bool;
  pose @5 :AnyPointer;
  wheeltouchFallbackPercent @6 :Int8;
  uncertainOffroadAlertPercent @7 :Int8;
}

struct WheeltouchPolicy {
  awarenessPercent @0 :Int8;
  awarenessStep @1 :Float32;
  driverInteracting @2 :Bool;
}

struct DriverCalibration {
  calibratedPercent @0 :Int8;
  offset @1 :Float32;
}

struct DriverFace {
  faceOrientation @0 :List(Float32);
  faceOrientationStd @1 :List(Float32);
  facePosition @2 :List(Float32);
  facePositionStd @3 :List(Float32);
  faceProb @4 :Float32;
  phoneProb @13 :Float32;
  eyesVisibleProb @14 :Float32;
  eyesClosedProb @15 :Float32;
  deprecated :group {
    leftEyeProb @5 :Float32;
    rightEyeProb @6 :Float32;
    leftBlinkProb @7 :Float32;
    rightBlinkProb @8 :Float32;
    sunglassesProb @9 :Float32;
    occludedProb @10 :Float32;
    readyProb @11 :List(Float32);
    notReadyProb @12 :List(Float32);
  }
}

struct FilterVector {
  value @0 :List(Float64);
  std @1 :List(Float64);
  valid @2 :Bool;
}

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Error: what went wrong, where, and what to do; one code per way things can be wrong.
#pragma once

#include <string>
#include <string_view>

namespace ql {

/// What a caller can do about an error; also the exit code of the command line.
enum class ErrorKind {
    Other = 1,       ///< anything else, cancellation included
    BadInput = 2,    ///< a file, policy, scheme text or argument is wrong
    CannotWrite = 3, ///< the target could not be written
    Device = 4,      ///< an OpenCL device failed
};

enum class ErrorCode {
    // Anything
    Internal, Cancelled, OutOfMemory, InvalidArgument, Unsupported,
    // Files
    FileNotFound, CannotOpen, ReadFailed, FileChanged, FileTruncated, UnknownFormat, PickleRefused, NotAModel,
    // JSON
    JsonSyntax, JsonTooDeep, JsonDuplicateKey, JsonWrongType, JsonMissingKey, JsonTooLarge, InvalidUtf8,
    // safetensors
    HeaderTooSmall, HeaderTooLarge, InvalidHeaderLength, InvalidHeaderStart, InvalidOffset, UnknownDtype,
    ShapeOverflow, MisalignedSlice, SizeMismatch, MetadataIncompleteBuffer, DuplicateTensor, InvalidMetadata,
    // Sharded folders and their index
    IndexInvalid, IndexUnsafePath, IndexMissingShard, IndexMissingTensor, ConfigInvalid,
    // GGUF
    BadMagic, BadVersion, WrongEndianness, BadCount, BadKey, DuplicateKey, BadValueType, NestedArray, StringTooLong,
    ArrayTooLong, BadAlignment, NameTooLong, BadDimensionCount, BadDimension, BadTensorType, BadBlockMultiple,
    BadTensorOffset, TensorOutOfFile, UnexpectedEnd, SplitInconsistent,
    // NPY and NPZ
    NpyBadHeader, NpyObjectDtype, NpyUnsupportedDtype, ZipInvalid, ZipBomb, ZipUnsupported, ZipChecksum,
    // Schemes and policies
    SchemeSyntax, SchemeUnknownFormat, SchemeBadOption, SchemeConflict, PolicySyntax, PolicyVersion, PolicyBadRule,
    // Tensors
    CannotDecode, NoSuchTensor, EmptySelection,
    // Running the model
    TokenizerMissing, TokenizerInvalid, TokenizerUnsupported, EmptyText, ContextTooLong, CalibrationInvalid,
    CalibrationMismatch,
    // Writing
    CannotWrite, DiskFull, TargetIsSource, VerifyFailed,
    // Devices
    NoDevice, DeviceFailed, KernelBuildFailed, SelfTestFailed, DeviceTimeout,
};

/// Stable spelling of a code, as tests and JSON print it ("InvalidOffset").
std::string_view codeName(ErrorCode code);
ErrorKind kindOf(ErrorCode code);

struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message; ///< one line, for a person: what is wrong and what to do
    std::string where;   ///< "FILE", "FILE: tensor NAME", "FILE: byte 123", "line 7"; may be empty

    /// "WHERE: MESSAGE" on one line.
    std::string text() const;
    ErrorKind kind() const { return kindOf(code); }
};

} // namespace ql

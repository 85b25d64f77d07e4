// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/error.h"

#include <array>
#include <utility>

namespace ql {
namespace {

struct CodeRow {
    ErrorCode code;
    std::string_view name;
    ErrorKind kind;
};

#define QL_CODE(name, kind)                                                                                            \
    {                                                                                                                  \
        ErrorCode::name, #name, ErrorKind::kind                                                                        \
    }
constexpr CodeRow kCodes[] = {
    QL_CODE(Internal, Other), QL_CODE(Cancelled, Other), QL_CODE(OutOfMemory, Other),
    QL_CODE(CannotWrite, CannotWrite), QL_CODE(DiskFull, CannotWrite), QL_CODE(TargetIsSource, CannotWrite),
    QL_CODE(VerifyFailed, CannotWrite),
    QL_CODE(NoDevice, Device), QL_CODE(DeviceFailed, Device), QL_CODE(KernelBuildFailed, Device),
    QL_CODE(SelfTestFailed, Device), QL_CODE(DeviceTimeout, Device),
    QL_CODE(InvalidArgument, BadInput), QL_CODE(Unsupported, BadInput), QL_CODE(FileNotFound, BadInput),
    QL_CODE(CannotOpen, BadInput), QL_CODE(ReadFailed, BadInput), QL_CODE(FileChanged, BadInput),
    QL_CODE(FileTruncated, BadInput), QL_CODE(UnknownFormat, BadInput), QL_CODE(PickleRefused, BadInput),
    QL_CODE(NotAModel, BadInput), QL_CODE(JsonSyntax, BadInput), QL_CODE(JsonTooDeep, BadInput),
    QL_CODE(JsonDuplicateKey, BadInput), QL_CODE(JsonWrongType, BadInput), QL_CODE(JsonMissingKey, BadInput),
    QL_CODE(JsonTooLarge, BadInput), QL_CODE(InvalidUtf8, BadInput), QL_CODE(HeaderTooSmall, BadInput),
    QL_CODE(HeaderTooLarge, BadInput), QL_CODE(InvalidHeaderLength, BadInput), QL_CODE(InvalidHeaderStart, BadInput),
    QL_CODE(InvalidOffset, BadInput), QL_CODE(UnknownDtype, BadInput), QL_CODE(ShapeOverflow, BadInput),
    QL_CODE(MisalignedSlice, BadInput), QL_CODE(SizeMismatch, BadInput), QL_CODE(MetadataIncompleteBuffer, BadInput),
    QL_CODE(DuplicateTensor, BadInput), QL_CODE(InvalidMetadata, BadInput), QL_CODE(IndexInvalid, BadInput),
    QL_CODE(IndexUnsafePath, BadInput), QL_CODE(IndexMissingShard, BadInput), QL_CODE(IndexMissingTensor, BadInput),
    QL_CODE(ConfigInvalid, BadInput), QL_CODE(BadMagic, BadInput), QL_CODE(BadVersion, BadInput),
    QL_CODE(WrongEndianness, BadInput), QL_CODE(BadCount, BadInput), QL_CODE(BadKey, BadInput),
    QL_CODE(DuplicateKey, BadInput), QL_CODE(BadValueType, BadInput), QL_CODE(NestedArray, BadInput),
    QL_CODE(StringTooLong, BadInput), QL_CODE(ArrayTooLong, BadInput), QL_CODE(BadAlignment, BadInput),
    QL_CODE(NameTooLong, BadInput), QL_CODE(BadDimensionCount, BadInput), QL_CODE(BadDimension, BadInput),
    QL_CODE(BadTensorType, BadInput), QL_CODE(BadBlockMultiple, BadInput), QL_CODE(BadTensorOffset, BadInput),
    QL_CODE(TensorOutOfFile, BadInput), QL_CODE(UnexpectedEnd, BadInput), QL_CODE(SplitInconsistent, BadInput),
    QL_CODE(NpyBadHeader, BadInput), QL_CODE(NpyObjectDtype, BadInput), QL_CODE(NpyUnsupportedDtype, BadInput),
    QL_CODE(ZipInvalid, BadInput), QL_CODE(ZipBomb, BadInput), QL_CODE(ZipUnsupported, BadInput),
    QL_CODE(ZipChecksum, BadInput), QL_CODE(SchemeSyntax, BadInput), QL_CODE(SchemeUnknownFormat, BadInput),
    QL_CODE(SchemeBadOption, BadInput), QL_CODE(SchemeConflict, BadInput), QL_CODE(PolicySyntax, BadInput),
    QL_CODE(PolicyVersion, BadInput), QL_CODE(PolicyBadRule, BadInput), QL_CODE(CannotDecode, BadInput),
    QL_CODE(NoSuchTensor, BadInput), QL_CODE(EmptySelection, BadInput), QL_CODE(TokenizerMissing, BadInput),
    QL_CODE(TokenizerInvalid, BadInput), QL_CODE(TokenizerUnsupported, BadInput), QL_CODE(EmptyText, BadInput),
    QL_CODE(ContextTooLong, BadInput), QL_CODE(CalibrationInvalid, BadInput), QL_CODE(CalibrationMismatch, BadInput),
};
#undef QL_CODE

const CodeRow& rowOf(ErrorCode code)
{
    for (const CodeRow& row : kCodes) {
        if (row.code == code)
            return row;
    }
    return kCodes[0];
}

} // namespace

std::string_view codeName(ErrorCode code)
{
    return rowOf(code).name;
}

ErrorKind kindOf(ErrorCode code)
{
    return rowOf(code).kind;
}

std::string Error::text() const
{
    return where.empty() ? message : where + ": " + message;
}

} // namespace ql

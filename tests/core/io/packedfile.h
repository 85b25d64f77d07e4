// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PackedFile: a small quantized checkpoint in memory, to be damaged on purpose and written again.
#pragma once

#include "core/base/error.h"
#include "core/io/mappedfile.h"
#include "core/io/safetensors.h"
#include "support/safetensorsbuilder.h"

#include <cstring>
#include <functional>
#include <map>

namespace ql::test
{

struct PackedFile {
    struct Tensor {
        std::string dtype;
        Shape shape;
        std::string bytes;
    };
    std::map<std::string, Tensor> tensors;
    std::string config; ///< text of config.json; empty for none
    std::map<std::string, std::string> sides;

    static PackedFile load(const std::string& folder)
    {
        PackedFile result;
        const auto file = openFile(folder + "/model.safetensors");
        const auto header = file.ok() ? parseSafetensors(**file) : Result<SafetensorsHeader>(file.error());
        if (!header.ok())
            qFatal("%s", header.error().text().c_str());
        for (const TensorInfo& info : header->tensors) {
            std::string bytes(size_t(info.bytes), '\0');
            if (!(*file)->read(info.offset, std::as_writable_bytes(std::span(bytes.data(), bytes.size()))).ok())
                qFatal("cannot read %s", folder.c_str());
            result.tensors[info.name] = {std::string(dtypeInfo(info.dtype).safetensors), info.shape, std::move(bytes)};
        }
        QFile config(QString::fromStdString(folder + "/config.json"));
        if (config.open(QIODevice::ReadOnly))
            result.config = config.readAll().toStdString();
        return result;
    }

    std::string bytes() const
    {
        std::string header = "{", data;
        for (const auto& [name, tensor] : tensors) {
            std::string shape;
            for (const int64_t dim : tensor.shape)
                shape += (shape.empty() ? "" : ",") + std::to_string(dim);
            const size_t begin = data.size();
            data += tensor.bytes;
            header += (header.size() > 1 ? "," : "") + entry(name, tensor.dtype, shape, begin, data.size());
        }
        return safetensorsFile(header + '}', data);
    }
    void write(const Folder& folder) const
    {
        folder.write("model.safetensors", bytes());
        if (!config.empty())
            folder.write("config.json", config);
        for (const auto& [name, text] : sides)
            folder.write(name, text);
    }

    Tensor& at(const std::string& name) { return tensors.at(name); }
    /// Other dimensions, with bytes to match.
    void reshape(const std::string& name, Shape shape)
    {
        Tensor& tensor = at(name);
        const size_t old = size_t(elementCount(tensor.shape).value());
        tensor.bytes.resize(size_t(elementCount(shape).value()) * (tensor.bytes.size() / old));
        tensor.shape = std::move(shape);
    }
    template <class T>
    void put(const std::string& name, size_t index, T value)
    {
        std::memcpy(at(name).bytes.data() + index * sizeof(T), &value, sizeof(T));
    }
    void setText(const std::string& name, const std::string& text)
    {
        at(name).bytes = text;
        at(name).shape = {int64_t(text.size())};
    }
    void configure(const std::string& from, const std::string& to)
    {
        const size_t place = config.find(from);
        if (place == std::string::npos)
            qFatal("the configuration has no %s", from.c_str());
        config.replace(place, from.size(), to);
    }
};

struct BadPacked {
    std::string name;
    std::string folder; ///< of tests/data/packed that it is made of
    ErrorCode code;
    std::string mentions; ///< what the message must contain besides the file
    std::function<void(PackedFile&)> damage;
};

std::vector<BadPacked> badPackedWords();  ///< GPTQ, AWQ
std::vector<BadPacked> badPackedScaled(); ///< compressed-tensors, FP8, ModelOpt
std::vector<BadPacked> badPackedOthers(); ///< bitsandbytes, MLX, gpt-oss

} // namespace ql::test

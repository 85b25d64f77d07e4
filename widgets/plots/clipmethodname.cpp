// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plots/clipmethodname.h"

#include <QCoreApplication>

#include <algorithm>

namespace ql {

const ClipMethodInfo& clipMethodInfo(ClipMethod method)
{
    const auto methods = clipMethods();
    return *std::find_if(methods.begin(), methods.end(), [&](const auto& info) { return info.method == method; });
}

QString clipMethodName(ClipMethod method, double parameter)
{
    const auto name = [](const char* text) { return QCoreApplication::translate("ql::ClipMethod", text); };
    switch (method) {
    case ClipMethod::MinMax: return name("min-max");
    case ClipMethod::Percentile: return name("%1 %").arg(parameter);
    case ClipMethod::Mse: return name("MSE");
    case ClipMethod::Kl: return name("KL");
    case ClipMethod::Sigma: return name("%1 σ").arg(parameter);
    case ClipMethod::Ratio: return name("× %1").arg(parameter);
    case ClipMethod::Absolute: return name("± %1").arg(parameter);
    case ClipMethod::Output: return name("output");
    }
    return {};
}

bool isChosen(const ClipMark& mark, const Scheme& scheme)
{
    return mark.method == scheme.clip && mark.parameter == scheme.clipParameter;
}

} // namespace ql

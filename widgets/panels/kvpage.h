// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// KvPage: how keys and values are stored in the cache, layer by layer, and what that costs - histograms, outlier
// channels of the keys, error of the attention output against position. Shows immutable results; emits wishes.
#pragma once

#include "core/evaluation/kvcache.h"

#include <QWidget>

#include <memory>
#include <optional>
#include <vector>

namespace ql {

enum class KvPlot { Layers, KeyChannels, ValueChannels, Position };

class KvPage : public QWidget
{
    Q_OBJECT
public:
    explicit KvPage(QWidget* parent = nullptr);
    ~KvPage() override;

    /// Clears everything. `layers` 0: there is no cache to show, and `why` says why not (no model, cannot be run).
    void setSubject(const QString& caption, int layers, int headDim, const QString& why = {});
    void setSchemes(std::vector<std::optional<KvScheme>> schemes); ///< of every layer; nothing: kept
    void setStudy(Shared<KvStudy> study);
    void setBusy(bool busy);                 ///< a study is under way
    void setFailure(const QString& message); ///< above the plots, which keep what they show
    int layer() const;
    void setLayer(int layer);                ///< follows a selection elsewhere
    KvPlot plot() const;
    void setPlot(KvPlot plot);
    QByteArray saveState() const;
    void restoreState(const QByteArray& state);

Q_SIGNALS:
    void schemeEdited(int layer, const std::optional<ql::KvScheme>& scheme); ///< -1: all layers
    void studyWanted();
    void layerChosen(int layer); ///< by the user

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
